package plugin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/require"
)

// Whatever the server has types for is shown as it is, or its author is told a cast that works.
func TestSQLTypes(t *testing.T) {
	store, day := newStore(t)
	g := sqlOn(t, store, tenant, nil)
	ask := func(expr string) (kind string, value any, err error) {
		m, failed := json.Marshal(map[string]string{"queryType": "sql", "format": "table", "expr": expr})
		require.NoError(t, failed)
		r := g.query(day, map[string]string{"A": string(m)})["A"]
		if r.Error != nil {
			return "", nil, r.Error
		}
		require.Equal(t, 2, r.Frames[0].Rows(), expr)
		f := r.Frames[0].Fields[0]
		if f.NilAt(1) {
			return f.Type().ItemTypeString(), nil, nil
		}
		value, _ = f.ConcreteAt(1)
		if at, ok := value.(time.Time); ok {
			value = at.UTC()
		}
		return f.Type().ItemTypeString(), value, nil
	}
	of := func(year int, rest ...int) time.Time {
		return time.Date(year, time.Month(rest[0]), rest[1], rest[2], rest[3], rest[4], rest[5], time.UTC)
	}
	const id = "61f0c404-5cb3-11e7-907b-a6006ad3dba0"
	for expr, want := range map[string]any{
		// lists
		"[1,2,3]::Array(UInt8)": "[1,2,3]", "[1,2]::Array(Int8)": "[1,2]", "[1,NULL]::Array(Nullable(UInt8))": "[1,null]", "[[1,2],[3],[]]::Array(Array(UInt8))": "[[1,2],[3],[]]",
		"[]::Array(UInt8)": "[]", "[]": "[]", "[NULL]": "[null]", "[true,false]": "[true,false]", "['a<b','\"']": `["a<b","\""]`, "['a',NULL]": `["a",null]`,
		"['a']::Array(LowCardinality(String))": `["a"]`, "[NULL,'a']::Array(LowCardinality(Nullable(String)))": `[null,"a"]`, "[toDate('2026-02-03')]": `["2026-02-03T00:00:00Z"]`,
		"[toDateTime64('2026-02-03 04:05:06.789',3,'UTC')]": `["2026-02-03T04:05:06.789Z"]`, "[1.5::Decimal(9,2)]": "[1.5]", "[1.5::Decimal(60,2)]": "[1.5]",
		"[toUUID('" + id + "')]": `["` + id + `"]`, "[toIPv4('1.2.3.4')]": `["1.2.3.4"]`, "[toIPv6('::1')]": `["::1"]`, "['a']::Array(FixedString(3))": `["a"]`,
		"['a']::Array(Enum8('a'=1))": `["a"]`, "[nan,inf,1e6]": "[null,null,1000000]", "[18446744073709551615]": "[18446744073709551615]", "[-5::Int256]": "[-5]", "[(1,'a')]": `[[1,"a"]]`,
		"range(number)::Array(UInt8)": "[0]",
		// maps and tuples
		"map('a','b')": `{"a":"b"}`, "map('a',1)": `{"a":1}`, "map(1,'a')": `{"1":"a"}`, "map('a',[1])": `{"a":[1]}`, "map('a',map('b',1))": `{"a":{"b":1}}`,
		"map('a','b')::Map(LowCardinality(String), String)": `{"a":"b"}`, "map(toDate('2026-02-03'),1)": `{"2026-02-03T00:00:00Z":1}`, "[map('a','b')]": `[{"a":"b"}]`, "map()": "{}",
		"(1,'a')": `[1,"a"]`, "(1,NULL)::Tuple(a UInt8, `b, c` Nullable(String))": "[1,null]", "('b (c')::Tuple(Enum8('a'=1,'b (c'=2))": `["b (c"]`, "((1,2),[3])": "[[1,2],[3]]",
		// texts
		"'a'::LowCardinality(Nullable(String))": "a", "NULL::LowCardinality(Nullable(String))": nil, "if(number=1,NULL,'a')::LowCardinality(Nullable(String))": nil, "''::LowCardinality(Nullable(String))": "",
		"'a'::Enum8('a'=1)": "a", "'b'::Enum16('a'=1,'b'=1000)": "b", "'a'::Nullable(Enum8('a'=1))": "a", "NULL::Nullable(Enum8('a'=1))": nil,
		"toUUID('" + id + "')": id, "toUUID('" + id + "')::Nullable(UUID)": id, "NULL::Nullable(UUID)": nil,
		"toIPv4('1.2.3.4')": "1.2.3.4", "toIPv4('1.2.3.4')::Nullable(IPv4)": "1.2.3.4", "NULL::Nullable(IPv4)": nil, "toIPv6('2001:db8::1')": "2001:db8::1", "toIPv6('2001:db8::1')::Nullable(IPv6)": "2001:db8::1",
		"'abc'::FixedString(3)": "abc", "'abc'::FixedString(16)": "abc", "'abc'::Nullable(FixedString(8))": "abc", "NULL::Nullable(FixedString(3))": nil,
		"INTERVAL 3 DAY": "3 days", "toNullable(INTERVAL 3 DAY)": "3 days", "NULL": nil,
		// numbers
		"true": true, "NULL::Nullable(Bool)": nil, "1.5::Decimal32(2)": 1.5, "-0.05::Decimal(38,2)": -0.05, "-1.5::Decimal(60,2)": -1.5, "1.5::Nullable(Decimal(60,2))": 1.5,
		"-5::Int128": -5.0, "5::UInt128": 5.0, "-5::Int256": -5.0, "-pow(2,200)::Int256": -0x1p200, "-pow(2,128)::Int256": -0x1p128, "5::UInt256": 5.0, "-1::Nullable(Int128)": -1.0, "NULL::Nullable(Int256)": nil,
		"1::SimpleAggregateFunction(sum, UInt64)": uint64(1), "1.5::Float32": float32(1.5),
		// times
		"toDate32('1900-01-01')": of(1900, 1, 1, 0, 0, 0, 0), "NULL::Nullable(Date32)": nil, "toDateTime('2026-02-03 04:05:06','Asia/Tokyo')": of(2026, 2, 2, 19, 5, 6, 0),
		"toDateTime64('2026-02-03 04:05:06.789',0,'UTC')": of(2026, 2, 3, 4, 5, 6, 0), "toDateTime64('2026-02-03 04:05:06.7',2,'Asia/Tokyo')": of(2026, 2, 2, 19, 5, 6, 700_000_000),
		"toDateTime64('2026-02-03 04:05:06.789123',6,'UTC')": of(2026, 2, 3, 4, 5, 6, 789_123_000), "toDateTime64('2026-02-03 04:05:06.789123456',9,'UTC')": of(2026, 2, 3, 4, 5, 6, 789_123_456),
		"toDateTime64('1900-01-01 00:00:00',3,'UTC')": of(1900, 1, 1, 0, 0, 0, 0), "toDateTime64('2026-02-03 04:05:06.7',1,'UTC')::Nullable(DateTime64(1,'UTC'))": of(2026, 2, 3, 4, 5, 6, 700_000_000),
	} {
		kind, got, err := ask("SELECT " + expr + " AS it FROM numbers(2)")
		require.NoError(t, err, expr)
		require.Equal(t, want, got, expr)
		require.Equal(t, want == nil || strings.Contains(expr, "Nullable(") && !strings.HasPrefix(expr, "[") && !strings.HasPrefix(expr, "(") || strings.Contains(expr, "toNullable"),
			strings.HasPrefix(kind, "*"), "%s: %s", expr, kind)
	}
	for _, expr := range []string{
		"1.5::BFloat16", `'{"a":1}'::JSON`, "1::Variant(UInt8,String)", "1::Dynamic", "(1.0,2.0)::Point", "[(1.0,2.0)]::Ring", "'12:34:56'::Time", "'12:34:56.5'::Time64(3)",
		"initializeAggregation('sumState', number)", "'abc'::LowCardinality(FixedString(3))", "tuple()", "'b, c'::Enum8('a'=1,'b, c'=2)", "toDate32('2299-12-31')", "toDateTime64('2299-12-31 00:00:00',3,'UTC')", "[1::Dynamic]",
	} {
		_, _, err := ask("SELECT " + expr + " AS it FROM numbers(2)")
		require.ErrorContains(t, err, `expr "it": `, expr)
		_, cast, said := strings.Cut(err.Error(), "for example ")
		require.True(t, said, expr)
		_, _, err = ask(fmt.Sprintf("SELECT %s AS shown FROM (SELECT %s AS it FROM numbers(2))", cast, expr))
		require.NoError(t, err, "%s: %s", expr, cast)
	}
}

// Columns that an answer had are the next one's: what is said of them is of their name there.
func TestColumnsAreNamedAsInTheirOwnAnswer(t *testing.T) {
	for _, name := range []string{"first", "second"} {
		var b proto.Buffer
		b.PutString(name)
		b.PutString("DateTime64(0)")
		b.PutInt64(0)
		a := &sqlAnswer{}
		require.NoError(t, a.DecodeResult(proto.NewReader(bytes.NewReader(b.Buf)), 0, proto.Block{Columns: 1, Rows: 1}))
		require.NoError(t, a.add(1))
		a.columns[0].block.(*proto.ColDateTime64).Data[0] = 1 << 40
		require.ErrorContains(t, a.add(1), `expr "`+name+`"`)
		a.spare()
	}
}

func TestTypesWithinTypes(t *testing.T) {
	for kind, want := range map[proto.ColumnType][]proto.ColumnType{
		"Map(String, UInt8)":                         {"String", "UInt8"},
		"Tuple(\n    a UInt8,\n    `b c` String)":    {"UInt8", "String"},
		"Tuple(Enum8('a, (' = 1, '\\'' = 2), Int8)":  {"Enum8('a, (' = 1, '\\'' = 2)", "Int8"},
		"Tuple(x Tuple(y DateTime64(3, 'UTC')), D)":  {"Tuple(y DateTime64(3, 'UTC'))", "D"},
		"SimpleAggregateFunction(anyLast, Date)":     {"anyLast", "Date"},
		"Tuple(`a` Tuple(`b` UInt8), Array(String))": {"Tuple(`b` UInt8)", "Array(String)"},
		"Tuple(`": {""}, "Tuple(`)": {""}, "Tuple()": {""}, "Tuple": {""},
	} {
		require.Equal(t, want, typesIn(kind), kind)
	}
}

// Lists whose ends make no sense are an error where they are read: later they would end the plugin.
func TestListsThatEndBeforeTheyBegin(t *testing.T) {
	for _, ends := range [][]uint64{{2, 1}, {1, 1 << 40}} {
		var b proto.Buffer
		b.PutString("it")
		b.PutString("Array(UInt8)")
		for _, end := range ends {
			b.PutUInt64(end)
		}
		b.PutRaw([]byte{1, 2})
		err := new(sqlAnswer).DecodeResult(proto.NewReader(bytes.NewReader(b.Buf)), 0, proto.Block{Columns: 1, Rows: len(ends)})
		require.ErrorContains(t, err, "read column it: the lists of a block do not end")
	}
}
