// Command milepost is the engine and its tools in one binary.
package main

import (
	"os"
	_ "time/tzdata" // zones do not depend on the machine (E10)

	"github.com/milepost-io/milepost/cmd/internal/cli"
)

// version is set by the linker.
var version = "dev" //nolint:gochecknoglobals // the linker's -X needs a variable

func main() { os.Exit(cli.Main(os.Args[1:], cli.Process(version))) }
