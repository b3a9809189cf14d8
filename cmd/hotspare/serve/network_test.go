package serve_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/hotspare/hotspare/scheduler/api"
)

// The API on TCP asks for the site's token; triggers have tokens of their own.
func TestTheAPIOnTheNetworkAsksForTheToken(t *testing.T) {
	s := newSite(t)
	s.edit(`tcp  = "127.0.0.1:0"`, `tcp  = "127.0.0.1:0"
    token_file = "api.token"`)
	s.write("api.token", "open\n")
	s.start()
	address, _, _ := strings.Cut(s.triggers, "/v1/")
	c, err := api.NewRemote(address, "open", nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, err := c.Status(context.Background()); err != nil || status.Site != "test" {
		t.Errorf("with the token: %+v, %v", status, err)
	}
	for _, token := range []string{"guess", "secret", "ope", "openn"} {
		c, err := api.NewRemote(address, token, nil)
		if err != nil {
			t.Fatal(err)
		}
		var answer *api.Error
		if _, err := c.Status(context.Background()); !errors.As(err, &answer) || answer.Code != api.CodeDenied {
			t.Errorf("with the token %q: %v", token, err)
		}
	}
	resp, err := http.Get(address + "/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %s", resp.Status)
	}
	if code, _ := s.post("open", alertFor("shop")); code != http.StatusUnauthorized {
		t.Errorf("the API's token opens a trigger: %d", code)
	}
}

func TestWithoutATokenTheAPIIsNotOnTheNetwork(t *testing.T) {
	s := newSite(t)
	s.start()
	address, _, _ := strings.Cut(s.triggers, "/v1/")
	c, err := api.NewRemote(address, "anything", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Status(context.Background()); err == nil || !strings.Contains(err.Error(), "not served on the network") {
		t.Errorf("got %v", err)
	}
}

func TestATokenNeverCrossesTheNetworkInClear(t *testing.T) {
	for address, says := range map[string]string{
		"http://dr.example:7780": "in clear", "dr.example:7780": "https://host:port", "https://user@dr.example": "https://host:port", "https://dr.example/v1": "https://host:port",
	} {
		if _, err := api.NewRemote(address, "t", nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v", address, err)
		}
	}
	if _, err := api.NewRemote("https://dr.example", "", nil); err == nil || !strings.Contains(err.Error(), "--token-file") {
		t.Errorf("without a token: %v", err)
	}
}
