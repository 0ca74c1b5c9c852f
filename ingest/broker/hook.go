package broker

import (
	"strings"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/milepost-io/milepost/ingest/mqtt/receive"
)

// hook is where mochi asks and where it hands publishes over. Its methods run on the handler goroutine
// of the connection they are about, one at a time and in the order of the packets.
type hook struct {
	mqtt.HookBase
	broker *Broker
}

func (*hook) ID() string { return "milepost" }

func (*hook) Provides(b byte) bool {
	switch b {
	case mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnPacketRead, mqtt.OnPublish, mqtt.OnWill:
		return true
	}
	return false
}

// OnConnectAuthenticate admits who shows the right credentials.
func (h *hook) OnConnectAuthenticate(cl *mqtt.Client, pk packets.Packet) bool {
	return h.broker.authenticate(cl.Net.Conn.(*conn), cl, &pk)
}

// OnACLCheck allows every publish, what no filter matches goes to the dead letters, and no subscription:
// nothing leaves here. The client's SUBACK says 0x80, in MQTT 5 "not authorized".
func (h *hook) OnACLCheck(cl *mqtt.Client, filter string, write bool) bool {
	if write {
		return true
	}
	h.broker.counters.refusedSubscribe.Add(1)
	h.broker.log.Warn(causeSubscribe).Str("client", receive.Mask(cl.ID)).Str("filter", receive.MaskTopic(filter)).
		Msg("mqtt subscription refused; the broker takes in and sends nothing, alerts leave by webhook and API")
	return false
}

// OnPacketRead sees a packet before mochi judges it: mochi would lower QoS 2 to 1, and drop a publish to
// the server's own topics without an acknowledgement.
func (h *hook) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Type != packets.Publish {
		return pk, nil
	}
	if pk.FixedHeader.Qos > 1 {
		h.refuseQoS2(cl)
		return pk, packets.ErrRejectPacket
	}
	if strings.HasPrefix(pk.TopicName, "$") && !mqtt.IsValidFilter(pk.TopicName, true) && pk.PublishValidate(0) == packets.CodeSuccess {
		pk, err := h.OnPublish(cl, pk)
		pk.PacketID = 0 // QoS 0 by now, which carries none
		return pk, err
	}
	return pk, nil
}

// refuseQoS2 ends the connection. MQTT 3.1.1 has no other way to say no; MQTT 5 clients were told the
// maximum when they connected and get the reason.
func (h *hook) refuseQoS2(cl *mqtt.Client) {
	h.broker.counters.refusedQoS2.Add(1)
	h.broker.log.Warn(causeQoS2).Str("client", receive.Mask(cl.ID)).
		Msg("mqtt publish with QoS 2 refused, connection closed; publish with QoS 1, telemetry is deduplicated by time and seq")
	if cl.Properties.ProtocolVersion == 5 {
		_ = cl.WritePacket(packets.Packet{
			FixedHeader: packets.FixedHeader{Type: packets.Disconnect},
			ReasonCode:  packets.ErrQosNotSupported.Code,
		})
	}
	cl.Stop(packets.ErrQosNotSupported)
}

// OnPublish takes a publish. What goes back to mochi is a packet of QoS 0 that is to be ignored, so that
// mochi acknowledges nothing, fans nothing out and reads on; the PUBACK is written by the conn (E4).
func (h *hook) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	c := cl.Net.Conn.(*conn)
	if pk.FixedHeader.Retain {
		h.broker.counters.retained.Add(1)
	}
	err := c.take(message{topic: pk.TopicName, payload: pk.Payload, qos: pk.FixedHeader.Qos, packetID: pk.PacketID})
	if err != nil {
		h.broker.log.Plain.Debug().Str("client", receive.Mask(cl.ID)).Err(err).Msg("mqtt publish not taken; connection closed")
		cl.Stop(err)
		return pk, packets.ErrRejectPacket
	}
	pk.FixedHeader.Qos, pk.Ignore = 0, true
	return pk, nil
}

// OnWill takes the last will of a client that went without a word: it is a publish like any other, but
// there is nobody left to acknowledge it to. Clients that the broker itself lets go, because it stops or
// because they have connected anew, are well.
func (h *hook) OnWill(cl *mqtt.Client, will mqtt.Will) (mqtt.Will, error) {
	c := cl.Net.Conn.(*conn)
	if err := c.take(message{topic: will.TopicName, payload: will.Payload}); err != nil {
		h.broker.log.Plain.Debug().Str("client", receive.Mask(cl.ID)).Err(err).Msg("mqtt will not taken")
	}
	return mqtt.Will{}, nil
}
