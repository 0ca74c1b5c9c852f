// Package webhook is the channel that takes an outbox entry and posts it to an HTTP endpoint: a CloudEvent
// in the body, signed by the Standard Webhooks scheme in the headers.
//
// It talks to addresses that other people wrote into a configuration, so the address is checked when it
// is dialled, not when it is read: a name that resolves to a private address is refused however it does.
package webhook
