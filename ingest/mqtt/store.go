package mqtt

import "github.com/eclipse/paho.mqtt.golang/packets"

// noStore keeps nothing of a session for the library: what is not acknowledged, the broker keeps.
type noStore struct{}

func (noStore) Open()                             {}
func (noStore) Put(string, packets.ControlPacket) {}
func (noStore) Get(string) packets.ControlPacket  { return nil }
func (noStore) All() []string                     { return nil }
func (noStore) Del(string)                        {}
func (noStore) Close()                            {}
func (noStore) Reset()                            {}
