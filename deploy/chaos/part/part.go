// Command part is one process of a chaos run and nothing else: "part chaos part ROLE".
// Binaries with a planted bug are built of it, since it links only what a part needs.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/unionlink/unionlink/deploy/chaos"
	"github.com/unionlink/unionlink/deploy/embedded"
)

func main() {
	embedded.RunChildIfAsked()
	if len(os.Args) != 4 || os.Args[1] != "chaos" || os.Args[2] != "part" {
		fmt.Fprintln(os.Stderr, "part: it is started by unionlink chaos, as: part chaos part ROLE")
		os.Exit(2)
	}
	if err := chaos.RunPart(context.Background(), os.Args[3], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "part:", err)
		os.Exit(1)
	}
}
