// Package rules decides what is true of a vehicle: rule files and the events of one vehicle go in, and
// what became true (alerts, reminders, leads, odometer decisions) comes out as notices to the vehicle's
// party.
//
// Load turns a rules folder into a Program and reports every mistake with its place. Step is the vehicle
// stage: a pure state.Step (E2) over the documents drawn in doc_layout.go. Conditions are compiled by
// package cond, odometers and maintenance items are judged by package plan; what is here is the rule
// machine (S11…S17), the profile, services, leads and the order in which events leave (S7).
//
//	record ─▶ decode ─▶ duplicate? late? ─▶ samples, odometer │ profile │ service │ feedback
//	       ─▶ items ─▶ rules ─▶ lead ─▶ notice, documents, timer
package rules
