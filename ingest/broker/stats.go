package broker

import "sync/atomic"

// Stats are the broker's counters since it was made. Connections is a gauge.
type Stats struct {
	Connections int64
	// Taken counts messages handed to the Sink, Records the records they were split into, Acked the
	// acknowledgements written.
	Taken, Records, Acked uint64
	// Unmatched counts messages taken whose topic no filter matches; Oversize those cut at
	// ingest.MaxPayload; Retained those with a retain flag, which is ignored.
	Unmatched, Oversize, Retained uint64
	// Refused: connections closed for QoS 2, for a packet over ingest.MaxPacket, for a breach of the
	// protocol, and connections over MaxClients; subscriptions denied.
	RefusedQoS2, RefusedSize, RefusedProtocol, RefusedClients, RefusedSubscribe uint64
	// RefusedCredentials counts clients with a wrong name, password or certificate name; RefusedTLS
	// connections that did not come to speak MQTT; RefusedPending those that had not said who they are
	// when too many had not. WrongClient counts messages quarantined because their client may not speak
	// for the vehicle; Offenders tells the clients.
	RefusedCredentials, RefusedTLS, RefusedPending, WrongClient uint64
	// SlowClosed counts connections closed because their client left acknowledgements unread.
	SlowClosed uint64
	// StaleAcks counts messages that became durable after their connection had gone.
	StaleAcks uint64
}

type counters struct {
	connections                                             atomic.Int64
	taken, records, acked                                   atomic.Uint64
	unmatched, oversize, retained                           atomic.Uint64
	refusedQoS2, refusedSize, refusedProtocol               atomic.Uint64
	refusedClients, refusedSubscribe, slowClosed, staleAcks atomic.Uint64
	refusedCredentials, refusedTLS, refusedPending          atomic.Uint64
	wrongClient                                             atomic.Uint64
}

// Stats returns the counters as they stand.
func (b *Broker) Stats() Stats {
	c := &b.counters
	return Stats{
		Connections:      c.connections.Load(),
		Taken:            c.taken.Load(),
		Records:          c.records.Load(),
		Acked:            c.acked.Load(),
		Unmatched:        c.unmatched.Load(),
		Oversize:         c.oversize.Load(),
		Retained:         c.retained.Load(),
		RefusedQoS2:      c.refusedQoS2.Load(),
		RefusedSize:      c.refusedSize.Load(),
		RefusedProtocol:  c.refusedProtocol.Load(),
		RefusedClients:   c.refusedClients.Load(),
		RefusedSubscribe: c.refusedSubscribe.Load(),

		RefusedCredentials: c.refusedCredentials.Load(),
		RefusedTLS:         c.refusedTLS.Load(),
		RefusedPending:     c.refusedPending.Load(),
		WrongClient:        c.wrongClient.Load(),

		SlowClosed: c.slowClosed.Load(),
		StaleAcks:  c.staleAcks.Load(),
	}
}
