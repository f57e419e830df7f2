package chaos

import "sync"

// journal is the producers' log: every intent before it is sent, and its answer.
type journal struct {
	mu      sync.Mutex
	intents map[string]*intent
	// faults are answers that no producer may get, such as poison that was accepted.
	faults []Violation
}

func newJournal() *journal { return &journal{intents: map[string]*intent{}} }

// intend notes an event before it is sent.
func (j *journal) intend(in *intent) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.intents[in.id] = in
}

// answer notes what became of an event. Once acknowledged it stays so.
func (j *journal) answer(in *intent, v verdict) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if in.verdict == verdictUnknown {
		in.verdict = v
	}
	if v == verdictRejected && in.event != nil {
		j.faults = append(j.faults, Violation{Kind: "good event rejected", Detail: in.id})
	}
}

// fault notes an answer that must not be.
func (j *journal) fault(kind, detail string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.faults = append(j.faults, Violation{Kind: kind, Detail: detail})
}

// counts tells how many events were acknowledged, rejected and left unanswered.
func (j *journal) counts() (acked, rejected, unknown int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, in := range j.intents {
		switch in.verdict {
		case verdictAcked:
			acked++
		case verdictRejected:
			rejected++
		case verdictUnknown:
			unknown++
		}
	}
	return acked, rejected, unknown
}
