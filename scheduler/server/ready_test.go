package server_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/server"
)

func TestACommandTellsWhetherAServiceIsReady(t *testing.T) {
	for what, c := range map[string]struct {
		command []string
		says    string // of the error; empty: ready
	}{
		"it is":                            {[]string{"true"}, ""},
		"it is not":                        {[]string{"sh", "-c", "echo no route; exit 3"}, "sh: exit status 3: no route"},
		"it is not, and says nothing":      {[]string{"false"}, "false: exit status 1"},
		"it hangs":                         {[]string{"sleep", "60"}, "sleep gave no answer in time"},
		"it leaves a process that hangs":   {[]string{"sh", "-c", "sleep 5 & wait"}, "sh gave no answer in time"},
		"it is not there":                  {[]string{"hotspare-no-such-command"}, "executable file not found"},
		"there is no command":              {nil, "has no command"},
		"it says more than one would read": {[]string{"sh", "-c", "head -c 5000 /dev/zero | tr '\\0' x; exit 1"}, "sh: exit status 1: xxx"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		err := server.CheckReady(ctx, &scheduler.ReadyCheck{Kind: scheduler.ReadyCommand, Command: c.command})
		cancel()
		switch {
		case c.says == "" && err != nil, c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: got %v, want the words %q", what, err, c.says)
		case err != nil && len(err.Error()) > 300:
			t.Errorf("%s: the error has %d letters", what, len(err.Error()))
		}
	}
}
