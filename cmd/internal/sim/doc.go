// Package sim takes a scenario (rule files and recorded events), runs it through the engine and through the oracle,
// and puts out the first difference per vehicle.
//
// Scenarios come from files that name the rule they are about, or from a seed. What fails is shrunk before it is shown.
package sim
