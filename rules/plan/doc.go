// Package plan turns what a vehicle reports and what workshops did to it into accepted odometer readings
// and levels of its maintenance items: samples, services and a maintenance plan go in, verdicts (S20…S26)
// and changes of items (rises, done, cancelled: S27…S37) come out.
//
// Everything is a pure function of its arguments (E2): no clock, no zone database of its own, no floats
// beyond the rounding of a reading. State lives in pointer-free structs of fixed size and in slices of
// them; a State only lends them to the functions here, whoever stores them owns them (E12).
//
// Units: odometers in whole metres, engine hours in whole thousandths of an hour, days as civil day
// numbers (days since 1970-01-01 in the vehicle's zone), times in Unix milliseconds.
//
// The order within one step of a vehicle:
//
//	Core.PowerOn       for each ignition or engine_on that went false→true in the record
//	State.Observe      for its odometer and engine hours samples that are not late (S4)
//	State.AddService   for a service record
//	State.Evaluate     once, unless Horizon.Quiet says that nothing can have changed
package plan
