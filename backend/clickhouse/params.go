package clickhouse

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
)

// parameters encodes bound values the way the native protocol wants them: each
// is the text of a literal in the server's escaped form, in single quotes, and
// the server parses it as the type that {name:Type} names.
func parameters(params map[string]any) ([]proto.Parameter, error) {
	out := make([]proto.Parameter, 0, len(params))
	for name, value := range params {
		text, err := parameterText(value)
		if err != nil {
			return nil, fmt.Errorf("bind parameter %q: %w", name, err)
		}
		// The text is quoted once more: the protocol carries a literal whose
		// content is what the type's parser reads.
		out = append(out, proto.Parameter{Key: name, Value: quote(text)})
	}
	return out, nil
}

func parameterText(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return escape(v), nil
	case int:
		return strconv.Itoa(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case uint64:
		return strconv.FormatUint(v, 10), nil
	case uint32:
		return strconv.FormatUint(uint64(v), 10), nil
	case bool:
		return strconv.FormatBool(v), nil
	case []string:
		quoted := make([]string, len(v))
		for i, s := range v {
			quoted[i] = quote(s)
		}
		return "[" + strings.Join(quoted, ",") + "]", nil
	case [][]string:
		texts := make([]string, len(v))
		for i, list := range v {
			texts[i], _ = parameterText(list)
		}
		return "[" + strings.Join(texts, ",") + "]", nil
	case []Pair:
		texts := make([]string, len(v))
		for i, pair := range v {
			texts[i] = "(" + quote(pair.Text) + "," + strconv.FormatInt(pair.Number, 10) + ")"
		}
		return "[" + strings.Join(texts, ",") + "]", nil
	case []int64:
		texts := make([]string, len(v))
		for i, n := range v {
			texts[i] = strconv.FormatInt(n, 10)
		}
		return "[" + strings.Join(texts, ",") + "]", nil
	}
	return "", fmt.Errorf("values of type %T cannot be bound", value)
}

// Pair binds as a Tuple(String, Int64).
type Pair struct {
	Text   string
	Number int64
}

var escaper = strings.NewReplacer(
	`\`, `\\`, `'`, `\'`, "\b", `\b`, "\f", `\f`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\x00", `\0`,
)

func escape(s string) string { return escaper.Replace(s) }

func quote(s string) string { return "'" + escape(s) + "'" }
