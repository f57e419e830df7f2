package warehouse

// MigrateFrom is Migrate with other files, for tests of earlier states.
var MigrateFrom = migrate

// Files are the migrations and objects.
var Files = files
