package schemas

// Outcome is what became of one event given to a publisher.
type Outcome struct {
	// Duplicate says that the event was stored before; nothing new was.
	Duplicate bool
	// Err is nil once the event is on stable storage. Otherwise the event may or may
	// not be stored, and publishing it again does no harm; a *Refusal never succeeds.
	Err error
}
