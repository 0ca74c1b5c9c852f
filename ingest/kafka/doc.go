// Package kafka takes in what lies in the topics of an Apache Kafka cluster (2.7 or newer): batches of
// messages in, records handed to a Sink out. It is also where messages leave for Kafka.
//
// Membership in the consumer group is kafka-go's; records are fetched over its Transport with requests and
// a record-batch decoder of our own: what kafka-go reads from compacted or aborted batches is wrong or
// never ends, and it allocates for each message.
package kafka
