package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/rules"
)

func newVehicle(s *session) *cobra.Command {
	show := &cobra.Command{
		Use:   "show VIN",
		Short: "What is known of one vehicle",
		Args:  positional("VIN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := ask(cmd.Context(), s, func(ctx context.Context, a app.Admin) (*rules.VehicleView, error) { return a.Vehicle(ctx, args[0]) })
			if err != nil {
				return err
			}
			if s.json() {
				return s.encode(v)
			}
			s.printVehicle(v)
			return nil
		},
	}
	var limit int
	timeline := &cobra.Command{
		Use:   "timeline VIN",
		Short: "One vehicle's story, newest first",
		Args:  positional("VIN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := ask(cmd.Context(), s, func(ctx context.Context, a app.Admin) ([]app.TimelineEntry, error) {
				return a.Timeline(ctx, args[0], "en", limit)
			})
			if err != nil {
				return err
			}
			if s.json() {
				return s.encode(t)
			}
			for _, e := range t {
				fmt.Fprintf(s.Out, "%s  %s\n", time.UnixMilli(e.Time).UTC().Format(time.RFC3339), e.Text)
			}
			return nil
		},
	}
	timeline.Flags().IntVar(&limit, "limit", 100, "at most this `many` entries")
	return group("vehicle", "Look at one vehicle", s.offlineFlag(show), s.offlineFlag(timeline), s.offlineFlag(newOdometer(s)))
}

func newOdometer(s *session) *cobra.Command {
	var km float64
	c := &cobra.Command{
		Use:   "odometer VIN --set KM",
		Short: "Decide what a vehicle's odometer reads",
		Long: `Decide what a vehicle's odometer reads, where its readings cannot be believed: miles told as kilometres,
a wrong value accepted. Suspected readings are dropped, the car goes on from the value set, and reminders
that it does not bear out are withdrawn. With --offline the next start decides.`,
		Args: positional("VIN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("set") {
				return usageError{errors.New("--set is missing: what the odometer reads, in km")}
			}
			_, err := ask(cmd.Context(), s, func(ctx context.Context, a app.Admin) (struct{}, error) {
				return struct{}{}, a.SetOdometer(ctx, args[0], km)
			})
			if err != nil {
				return err
			}
			if s.json() {
				return s.encode(map[string]any{"vin": args[0], "odometer_km": km})
			}
			fmt.Fprintf(s.Out, "%s  odometer set to %.1f km\n", args[0], km)
			return nil
		},
	}
	c.Flags().Float64Var(&km, "set", 0, "what it reads, in `km`")
	return c
}

func (s *session) printVehicle(v *rules.VehicleView) {
	fmt.Fprintf(s.Out, "%s\n", v.VIN)
	var p map[string]any
	if json.Unmarshal(v.Profile, &p) == nil && len(p) > 0 {
		var facts []string
		for k, x := range p {
			facts = append(facts, fmt.Sprintf("%s=%v", k, x))
		}
		sort.Strings(facts)
		fmt.Fprintf(s.Out, "profile   %s\n", strings.Join(facts, " "))
	}
	if v.Plan != "" {
		fmt.Fprintf(s.Out, "plan      %s\n", v.Plan)
	} else {
		fmt.Fprintf(s.Out, "%s\n", v.Note)
	}
	if v.Odometer.KM != nil {
		fmt.Fprintf(s.Out, "odometer  %.1f km, read %s\n", *v.Odometer.KM, v.Odometer.At)
	}
	for _, x := range v.Odometer.Suspects {
		fmt.Fprintf(s.Out, "suspect   %d readings (%s) from %.1f to %.1f km since %s\n", x.Count, x.Kind, x.FirstKM, x.LastKM, x.Since)
	}
	w := tabwriter.NewWriter(s.Out, 2, 8, 2, ' ', 0)
	if len(v.Items) > 0 {
		fmt.Fprintln(w, "\nITEM\tSTATE\tDUE\tLEFT\tBASELINE")
	}
	for _, it := range v.Items {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", it.ID, it.State, dimensions(it.Due.KM, it.Due.Date, it.Due.Hours), rest(it.Due), strings.TrimSpace(dimensions(it.Baseline.KM, it.Baseline.Date, it.Baseline.Hours)+" "+it.History))
	}
	if len(v.Alerts) > 0 {
		fmt.Fprintln(w, "\nALERT\tSEVERITY\tSINCE")
	}
	for _, a := range v.Alerts {
		fmt.Fprintf(w, "%s\t%s\t%s\n", a.Rule, a.Severity, a.Since)
	}
	if len(v.Services) > 0 {
		fmt.Fprintln(w, "\nSERVICE\tODOMETER\tITEMS\tDEALER\tORDER")
	}
	for _, sv := range v.Services {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", sv.Date, dimensions(sv.KM, "", sv.Hours), strings.Join(sv.Items, ", "), sv.Dealer, sv.Order)
	}
	if len(v.Signals) > 0 {
		fmt.Fprintln(w, "\nSIGNAL\tVALUE\tTIME")
	}
	names := make([]string, 0, len(v.Signals))
	for k := range v.Signals {
		names = append(names, k)
	}
	sort.Strings(names)
	for _, k := range names {
		fmt.Fprintf(w, "%s\t%v\t%s\n", k, v.Signals[k].Value, v.Signals[k].Time)
	}
	_ = w.Flush()
}

func dimensions(km *float64, date string, hours *float64) string {
	var parts []string
	if km != nil {
		parts = append(parts, fmt.Sprintf("%.0f km", *km))
	}
	if date != "" {
		parts = append(parts, date)
	}
	if hours != nil {
		parts = append(parts, fmt.Sprintf("%.1f h", *hours))
	}
	return strings.Join(parts, ", ")
}

func rest(d rules.DueView) string {
	days := ""
	if d.RestDays != nil {
		days = fmt.Sprintf("%d days", *d.RestDays)
	}
	return dimensions(d.RestKM, days, d.RestHours)
}
