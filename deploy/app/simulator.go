package app

import "github.com/unionlink/unionlink/deploy/wechatsim"

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
			account.Secret = "simulated-secret-" + a.AppID
		}
		sim.Accounts = append(sim.Accounts, account)
	}
	if len(sim.Accounts) == 0 {
		sim.Accounts = example.Accounts
	}
	return sim
}

// simulatorDefaults are the simulator's without accounts, and without an address: it runs
// where it is given one.
func simulatorDefaults() wechatsim.Config {
	sim := wechatsim.DefaultConfig()
	sim.Listen, sim.Accounts, sim.Merchants = "", nil, nil
	return sim
}
