package command

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/collector/simulate"
)

// platform are the flags that shape a simulated platform.
type platform struct {
	history string
	rate    float64
	scale   float64
	seed    uint64
}

func (p *platform) flags(cmd *cobra.Command, history string, scale float64) {
	cmd.Flags().StringVar(&p.history, "history", history, "how much of the past to send first, e.g. 90d or 36h; 0 is none")
	cmd.Flags().Float64Var(&p.rate, "rate", 1, "multiplies what happens live")
	cmd.Flags().Float64Var(&p.scale, "scale", scale, "multiplies the platform's executions")
	cmd.Flags().Uint64Var(&p.seed, "seed", 1, "the same seed gives the same events")
}

func newSimulate() *cobra.Command {
	var to target
	var p platform
	var live bool
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Send the events of a believable workflow platform",
		Long: `Sends the events of a made-up platform: some hundred workflows with versions, daily and weekly rhythm,
slow steps, incidents, families of errors, costs, and users with sessions. History goes out as fast as
the collector takes it; --live goes on in real time. An interrupted run goes on where it was.`,
		Example: `  flowgauge simulate --history 90d
  flowgauge simulate --history 0 --live --rate 10`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			c, err := to.client(cfg.DataDir)
			if err != nil {
				return err
			}
			history, err := parseDays(p.history)
			if err != nil {
				return err
			}
			report, err := simulate.Run(cmd.Context(), simulate.RunConfig{
				Platform: simulate.Config{Seed: p.seed, Scale: p.scale},
				Client:   c, Target: c.Target(), StateFile: filepath.Join(cfg.DataDir, "simulate.json"),
				History: history, Live: live, Rate: p.rate, Progress: cmd.ErrOrStderr(), LiveProgress: cmd.ErrOrStderr(),
			})
			fmt.Fprintln(cmd.OutOrStdout(), report)
			if err != nil {
				return err
			}
			if report.Failed > 0 {
				return errRejected
			}
			return nil
		},
	}
	to.flags(cmd)
	p.flags(cmd, "90d", 1)
	cmd.Flags().BoolVar(&live, "live", false, "go on in real time until interrupted")
	return cmd
}

// parseDays reads a duration that may be in days, which Go's cannot.
func parseDays(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n >= 0 && n <= 3660 {
			return time.Duration(n * float64(24*time.Hour)), nil
		}
	} else if text == "0" {
		return 0, nil
	} else if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return d, nil
	}
	return 0, usageError{errors.New("--history is " + strconv.Quote(text) + ": give a duration, e.g. 90d, 36h or 0")}
}
