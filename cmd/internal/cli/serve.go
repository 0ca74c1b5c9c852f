package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/milepost-io/milepost/cmd/internal/app"
)

func newServe(s *session) *cobra.Command {
	var replay string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the engine",
		Long:  "Runs the engine until it is told to stop (SIGTERM, Ctrl-C). SIGHUP and POST /-/reload take changed rule files.",
		Args:  positional(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.config()
			if err != nil {
				return err
			}
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			return app.Run(cmd.Context(), cfg, app.Options{Logger: s.logger(), Build: s.Version, Replay: replay, Hup: hup})
		},
	}
	c.Flags().StringVar(&replay, "replay", "", "take in a `file` of recorded events first, stamped as they come in")
	return c
}

// logger writes JSON lines, or pretty ones on a terminal.
func (s *session) logger() zerolog.Logger {
	if s.Terminal {
		return zerolog.New(zerolog.ConsoleWriter{Out: s.Err, TimeFormat: "15:04:05"}).Level(zerolog.InfoLevel).With().Timestamp().Logger()
	}
	return zerolog.New(s.Err).Level(zerolog.InfoLevel).With().Timestamp().Logger()
}

// quiet is a logger for commands whose output people read: warnings and worse.
func (s *session) quiet() zerolog.Logger { return s.logger().Level(zerolog.WarnLevel) }

// background ends with the command.
func background(ctx context.Context, f func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}
