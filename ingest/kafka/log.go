package kafka

// cause is what a log line is about; each is logged once a minute at most.
type cause uint8

const (
	causeGroup cause = iota
	causePrepare
	causeFetch
	causePartition
	causeStopped
	causeBatch
	causeCommit
	causeMetadata
	causeMissing
	causeDrain
	causes
)
