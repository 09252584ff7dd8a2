package courier

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/internal/wire"
)

// occupy sets all that is in v and travels, each to something else.
func occupy(t *testing.T, v reflect.Value, n *int64) {
	t.Helper()
	*n++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(*n)
	case reflect.Uint8:
		v.SetUint(uint64(*n % 256))
	case reflect.String:
		v.SetString(v.Type().Name() + string(rune('a'+*n%26)))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		occupy(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			occupy(t, v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		occupy(t, key, n)
		occupy(t, value, n)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag != `wire:"-"` {
				occupy(t, v.Field(i), n)
			}
		}
	default:
		t.Fatalf("there is a %s in what travels", v.Type())
	}
}

// Each type that travels between processes is one that package wire knows, to the last field.
func TestEveryFieldTravels(t *testing.T) {
	for _, sent := range []any{new(Heading), new(withToken), new(message), new(envsource.Carry)} {
		var n int64
		occupy(t, reflect.ValueOf(sent).Elem(), &n)
		var pipe bytes.Buffer
		if err := wire.Write(&pipe, reflect.ValueOf(sent).Elem().Interface()); err != nil {
			t.Fatal(err)
		}
		got := reflect.New(reflect.TypeOf(sent).Elem()).Interface()
		if err := wire.Read(&pipe, got); err != nil || n < 5 || !reflect.DeepEqual(got, sent) {
			t.Errorf("%T comes out otherwise than it went in (%v)", sent, err)
		}
	}
}
