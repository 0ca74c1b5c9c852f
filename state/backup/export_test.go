package backup

// SealOf is the second line of a manifest's file.
func SealOf(line []byte) string { return sealOf(line) }
