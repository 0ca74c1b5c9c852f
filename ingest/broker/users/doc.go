// Package users takes the users file of the embedded broker and puts out who a client is: its lines say
// names, roles and hashed secrets, Verify answers for a name and a password.
//
// A line is
//
//	name role secret
//
// with fields apart by blanks; empty lines and lines that begin with # are skipped. The name is a vehicle
// or client id (ingest.ValidKey), so that no wildcard or level separator of MQTT gets into a topic rule.
// The role is vehicle (publishes under its own id), gateway (under any) or blocked (nothing, whatever
// certificate it shows). The secret is - for who comes by client certificate, or a hash made by
// `milepost password`:
//
//	$pbkdf2-sha512$i=210000$<salt>$<hash>
//
// PBKDF2 of RFC 8018 with HMAC-SHA-512, salt of 16 bytes and hash of 32, unpadded base64 of RFC 4648.
package users
