// Package notify takes in what the rules stage says of vehicles and what owners say of themselves, and
// puts out messages: whom to tell, when, held back why, and then to whom they went and what came of it.
//
// The Step is pure and keyed by party (an owner, or "v:<VIN>" for a car without one). It keeps one small
// document per vehicle, so a fleet owner with 30,000 cars is 30,000 small documents. What it wants sent
// it writes as outbox rows; the Dispatcher, which knows the wall clock and the network, sends them through
// Channels and reports how each ended as a Result record, which the Step then applies. Nothing else
// crosses between the two.
package notify
