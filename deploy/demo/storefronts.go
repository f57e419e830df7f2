package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"github.com/unionlink/unionlink/deploy/app"
	"github.com/unionlink/unionlink/deploy/demo/shops"
)

// OpenShops opens a shop for each account of the data set, and lets logins come from and
// return to them.
func OpenShops(cfg *app.Config, log *slog.Logger) (*shops.Shops, error) {
	all := shops.Config{Beside: cfg.Listen, Log: log}
	for _, account := range Accounts() {
		shop := shops.Shop{AppID: account.AppID, Name: account.Name, Kind: account.Kind, Currency: Currency}
		for _, p := range shelves[account.AppID] {
			shop.Products = append(shop.Products, shops.Product{SKU: p.sku, Name: p.name, Category: p.category, Price: p.price})
		}
		all.Shops = append(all.Shops, shop)
	}
	open, err := shops.Open(all)
	if err != nil {
		return nil, err
	}
	login := &cfg.WeChat.Login
	for _, origin := range open.Origins() {
		login.Origins = append(login.Origins, origin)
		login.ReturnTo = append(login.ReturnTo, origin+"/")
	}
	return open, nil
}

// Run serves the shops until ctx ends. Meanwhile it loads the data set and prints an
// analyst's first answers, and then where the shops are.
func Run(ctx context.Context, c app.Credentials, open *shops.Shops, dir string, out io.Writer) error {
	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error {
		return open.Run(ctx, shops.Upstream{URL: c.URL(), IngestKey: c.IngestKey, AnalystToken: c.AnalystToken})
	})
	running.Go(func() error {
		if err := Show(ctx, c, dir, out); err != nil {
			return err
		}
		for i, origin := range open.Origins() {
			fmt.Fprintf(out, "Shop %d: %s/ %s\n", i+1, origin, Accounts()[i].Name)
		}
		return nil
	})
	return running.Wait()
}
