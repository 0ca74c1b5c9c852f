package json

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestBlankMembers(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"profile":{"owner":"O1","plate":"P"}}`, `{"plate":"P"}`},
		{`{"profile":{"plate":"P","owner":"O1"}}`, `{"plate":"P"}`},
		{`{"vin":"V","profile":{ "owner" : "O1" , "a":[1,{"x":","}] , "name":"N, \"M\"" ,"z":{}} ,"time":1}`, `{"a":[1,{"x":","}],"z":{}}`},
		{`{"profile":{"owner":"O1","name":"N"}}`, `{}`},
		{`{"profile":{"a":1,"owner":null,"b":2,"name":"N","c":3}}`, `{"a":1,"b":2,"c":3}`},
	} {
		b := []byte(c.in)
		if !BlankMembers(b, "profile", func(n string) bool { return n == "owner" || n == "name" }) {
			t.Errorf("%s: nothing blanked", c.in)
		}
		var got struct{ Profile any }
		var want any
		if err := json.Unmarshal(b, &got); err != nil || len(b) != len(c.in) {
			t.Errorf("%s became %s: %v", c.in, b, err)
		}
		if err := json.Unmarshal([]byte(c.want), &want); err != nil || !reflect.DeepEqual(got.Profile, want) {
			t.Errorf("%s became %s, want the profile %s", c.in, b, c.want)
		}
	}
	for _, in := range []string{``, `[]`, `{"profile":1}`, `{"profile":{"a":1}}`, `{"profile":{"owner":"O`, `{"owner":"O"}`} {
		b := []byte(in)
		if BlankMembers(b, "profile", func(n string) bool { return n == "owner" }) || string(b) != in {
			t.Errorf("%s became %s", in, b)
		}
	}
}
