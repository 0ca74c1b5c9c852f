package notify

import jsonv2 "github.com/go-json-experiment/json"

// decode reads what this stage or the one before wrote with encoding/json: documents, notices, results. It
// is where most of a notice's time goes, and this decoder takes half of what encoding/json does. It is
// stricter with what neither of them writes: names given twice, text that is not UTF-8.
func decode(b []byte, v any) error { return jsonv2.Unmarshal(b, v) }
