package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/unionlink/unionlink/deploy/wechatsim"
)

// Simulated is what the WeChat simulator starts from: as configured, with the accounts
// of this configuration where it names none of its own, and examples where there are none.
func (c Config) Simulated() wechatsim.Config {
	example := wechatsim.DefaultConfig()
	sim := c.WeChatSim
	if sim.Listen == "" {
		sim.Listen = example.Listen
	}
	if len(sim.Merchants) == 0 {
		sim.Merchants = example.Merchants
	}
	if len(sim.Accounts) > 0 {
		return sim
	}
	for _, a := range c.Accounts {
		account := wechatsim.Account{
			AppID: a.AppID, Name: a.Name, Kind: wechatsim.Kind(a.Kind), Platform: a.Platform, Secret: a.Secret,
			Domains: []string{"localhost", "127.0.0.1"},
		}
		if account.Secret == "" {
			account.Secret = simulatedSecret(a.AppID)
		}
		sim.Accounts = append(sim.Accounts, account)
	}
	if len(sim.Accounts) == 0 {
		sim.Accounts = example.Accounts
	}
	return sim
}

// simulatedSecret is the AppSecret of a simulated account that has none configured.
func simulatedSecret(appid string) string { return "simulated-secret-" + appid }

// simulatorDefaults are the simulator's without accounts, and without an address: it runs
// where it is given one.
func simulatorDefaults() wechatsim.Config {
	sim := wechatsim.DefaultConfig()
	sim.Listen, sim.Accounts, sim.Merchants = "", nil, nil
	return sim
}

// startSimulator serves the WeChat simulator beside the parts where it has an address,
// and points unionlink's own calls to it unless they are pointed elsewhere.
func (a *App) startSimulator() error {
	if !a.parts.embed || a.cfg.WeChatSim.Listen == "" {
		return nil
	}
	cfg := a.cfg.Simulated()
	sim, err := wechatsim.New(cfg, wechatsim.Deps{Log: a.deps.Log, Now: a.deps.Now})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen for the WeChat simulator on %s (wechatsim.listen): %w", cfg.Listen, err)
	}
	server := &http.Server{Handler: sim.Handler(), ReadHeaderTimeout: 10 * time.Second}
	a.spawn("wechat simulator's pushes", sim.Run)
	// Ends when the server is closed.
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("serve the WeChat simulator: %w", err)
		}
	}()
	a.cleanup.add("wechat simulator", func(context.Context) error { return server.Close() })
	a.simulator = "http://" + listener.Addr().String()
	a.useSimulator(cfg)
	return nil
}

// useSimulator fills in what is not configured: WeChat's addresses and the secrets.
func (a *App) useSimulator(sim wechatsim.Config) {
	calls := &a.cfg.WeChat.Client
	if calls.APIURL == "" {
		calls.APIURL = a.simulator
	}
	if calls.OpenURL == "" {
		calls.OpenURL = a.simulator
	}
	secrets := map[string]string{}
	for _, account := range sim.Accounts {
		secrets[account.AppID] = account.Secret
	}
	a.cfg.Accounts = slices.Clone(a.cfg.Accounts)
	for i := range a.cfg.Accounts {
		if account := &a.cfg.Accounts[i]; account.Secret == "" {
			account.Secret = secrets[account.AppID]
		}
	}
}
