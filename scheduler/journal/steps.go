package journal

import (
	"context"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// Begin records the intent of a change, and gives the values that the change may find at
// the site. found is what was observed just before, nil where the journal knows what
// stands. An intent that is on record already keeps what it found: on resume the
// half-made change must not become "before".
func (j *Journal) Begin(ctx context.Context, run string, step int, found *drivers.Value, goal drivers.Value, force bool) (expected []drivers.Value, err error) {
	err = j.Update(ctx, func(s *scheduler.State) ([]Record, error) {
		_, st, sr, err := find(s, run, step)
		if err != nil {
			return nil, err
		}
		switch stack := s.Stacks[st.Property]; {
		case sr.State == scheduler.Intent && len(sr.Expected) > 0:
			expected, found = sr.Expected, nil
		case stack != nil && stack.Stands != nil:
			expected, found = stack.Expected(), nil
		case found != nil:
			expected = []drivers.Value{*found}
		}
		return []Record{{StepBegun: &StepBegun{Run: run, Step: step, Found: found, Expected: expected, Goal: &goal, Force: force}}}, nil
	})
	return expected, err
}

// BeginCheck records that a check has begun.
func (j *Journal) BeginCheck(ctx context.Context, run string, step int) error {
	return j.one(ctx, Record{StepBegun: &StepBegun{Run: run, Step: step}})
}

// Finish records that a step is done and, for a change, what stands now.
func (j *Journal) Finish(ctx context.Context, run string, step int, stands *drivers.Value, note string) error {
	return j.one(ctx, Record{StepEnded: &StepEnded{Run: run, Step: step, State: scheduler.StepDone, Stands: stands, Note: note}})
}

// Supersede records that a step is over without a change: a later run, which
// [scheduler.State.Superseded] names, has gone beyond it.
func (j *Journal) Supersede(ctx context.Context, run string, step int, by string) error {
	return j.one(ctx, Record{StepEnded: &StepEnded{Run: run, Step: step, State: scheduler.StepDone, Note: "run " + by + " has decided it since"}})
}

// Hold records that a step waits for a person, and why. found is what stood instead, for
// drift.
func (j *Journal) Hold(ctx context.Context, run string, step int, reason string, found *drivers.Value) error {
	return j.one(ctx, Record{StepEnded: &StepEnded{Run: run, Step: step, State: scheduler.StepHeld, Note: reason, Found: found}})
}

// Skip records that a person lets the run go on without a held step, and what was
// observed, which from now on is what stands: nil where nothing was, and gone where that is
// because the target is not there any more.
func (j *Journal) Skip(ctx context.Context, run string, step int, reason string, stands *drivers.Value, gone bool) error {
	return j.one(ctx, Record{StepEnded: &StepEnded{Run: run, Step: step, State: scheduler.StepSkipped, Note: reason, Stands: stands, Gone: gone}})
}

// Retry records that a person lets a held step begin again.
func (j *Journal) Retry(ctx context.Context, run string, step int, by string) error {
	return j.one(ctx, Record{StepRetried: &StepRetried{Run: run, Step: step, By: by}})
}

// EndRun records that every step of a run is over.
func (j *Journal) EndRun(ctx context.Context, run string) error {
	return j.one(ctx, Record{RunEnded: &RunEnded{Run: run}})
}

func (j *Journal) one(ctx context.Context, r Record) error {
	return j.Update(ctx, func(*scheduler.State) ([]Record, error) { return []Record{r}, nil })
}
