package access

import "slices"

// Role is what a token is for.
type Role string

// The roles; each may do what the one before may.
const (
	RoleAnalyst  Role = "analyst"
	RoleMarketer Role = "marketer"
	RoleOperator Role = "operator"
	RoleAdmin    Role = "admin"
)

// Roles lists every role, the least first.
var Roles = []Role{RoleAnalyst, RoleMarketer, RoleOperator, RoleAdmin}

// Right is one thing that may be done.
type Right string

// The rights.
const (
	// RightAnyone is everybody's, with or without a token.
	RightAnyone Right = "anyone"
	// RightRead asks questions in JSON.
	RightRead Right = "read"
	// RightExport takes answers away in another format.
	RightExport Right = "export"
	// RightAudience keeps audiences and reads their members.
	RightAudience Right = "audience"
	// RightUnlink undoes links.
	RightUnlink Right = "unlink"
	// RightDeadLetters lists and replays dead letters.
	RightDeadLetters Right = "dead-letters"
	// RightErase erases persons.
	RightErase Right = "erase"
	// RightAudit reads who did what.
	RightAudit Right = "audit"
)

// least is the one table of rights: the least role that has each. A right that is
// missing here is nobody's.
var least = map[Right]Role{
	RightRead:        RoleAnalyst,
	RightExport:      RoleMarketer,
	RightAudience:    RoleMarketer,
	RightUnlink:      RoleOperator,
	RightDeadLetters: RoleOperator,
	RightErase:       RoleAdmin,
	RightAudit:       RoleAdmin,
}

// May tells whether the role has a right.
func (r Role) May(right Right) bool {
	if right == RightAnyone {
		return true
	}
	need, known := least[right]
	return known && r.Valid() && slices.Index(Roles, r) >= slices.Index(Roles, need)
}

// Valid tells whether r is one of the roles.
func (r Role) Valid() bool { return slices.Contains(Roles, r) }
