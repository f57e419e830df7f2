INSERT INTO audiences (name, definition, owner, at, deleted)
SELECT {name:String}, {definition:String}, {owner:String}, {at:DateTime64(3, 'UTC')}, {deleted:UInt8}
