package embedded

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// program is how a ClickHouse is started.
type program struct {
	path string
	name string   // what the process is called
	args []string // leading arguments
	env  []string // added to this process's
}

// findEngine turns the configured engine into a program.
func (c *ClickHouse) findEngine(ctx context.Context) error {
	engine := c.cfg.Engine
	switch {
	case engine == "":
		library, err := EnsureEngine(ctx, c.cfg.EngineDir, c.cfg.Progress)
		if err != nil {
			return err
		}
		return c.useLibrary(library)
	case engine == "path":
		return c.useProgram("clickhouse")
	case strings.HasSuffix(engine, ".so"), strings.HasSuffix(engine, ".dylib"):
		return c.useLibrary(engine)
	}
	return c.useProgram(engine)
}

// useLibrary has this executable started again, as RunChildIfAsked understands it.
func (c *ClickHouse) useLibrary(library string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own executable: %w", err)
	}
	c.program = program{path: self, name: "unionlink-clickhouse", env: []string{childEnv + "=" + library}}
	return nil
}

func (c *ClickHouse) useProgram(name string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return fmt.Errorf("find clickhouse: %w", err)
	}
	c.program = program{path: path, name: path, args: []string{"local"}}
	return nil
}
