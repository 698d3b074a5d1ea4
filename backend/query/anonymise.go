package query

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/metric"
)

// userFields are names of fields that hold users' ids in every kind, beside those
// that a kind marks as personal.
var userFields = []string{metric.User, "user_id", "user_ids", "users_sample"}

// textFields are names of fields that hold what events said, in which ids may occur.
var textFields = []string{"message", "sample", "error_message", "metadata", "details", "resource_id"}

// apply makes an answer what the policy lets be seen.
func (g *guard) apply(ctx context.Context, s *shape, r *Request, res *Result) error {
	if res == nil || res.Frame == nil {
		return nil
	}
	if g.Minimum > 1 && s.People != "" {
		g.withhold(s, res)
	}
	var users *disguise
	byUser := slices.Contains(s.divided(r), metric.User)
	for i, f := range res.Frame.Fields {
		personal := slices.Contains(userFields, f.Name) || slices.Contains(s.Personal, f.Name) || byUser && f.Name == groupField
		_, member := metric.MetadataKey(f.Name)
		text := member || slices.Contains(textFields, f.Name) || slices.Contains(s.Text, f.Name)
		switch {
		case g.redacts(f.Name), g.redacts(s.aliases[f.Name]), g.Minimum > 1 && slices.Contains(s.Single, f.Name):
			res.Frame.Fields[i] = changed(f, func(string) string { return Redacted })
		case len(g.PseudonymKey) == 0:
		case personal && isText(f):
			out := changed(f, func(id string) string { return g.e.pseudonyms.of(g.p.Tenant, g.PseudonymKey, id) })
			keepRest(res.Frame, f, out)
			res.Frame.Fields[i] = out
		case text && isText(f):
			if users == nil {
				var err error
				if users, err = g.users(ctx, res.Meta.From.UnixMilli(), res.Meta.To.UnixMilli()); err != nil {
					return err
				}
			}
			res.Frame.Fields[i] = changed(f, users.text)
		}
	}
	return nil
}

// keepRest leaves the row of rank 0, which is all groups beyond a limit and no user's,
// as it was.
func keepRest(frame *data.Frame, was, now *data.Field) {
	rank, _ := frame.FieldByName("rank")
	if was.Name != groupField || rank == nil {
		return
	}
	for row := range rank.Len() {
		if rank.At(row) == int64(0) {
			now.Set(row, was.At(row))
		}
	}
}

func isText(f *data.Field) bool {
	return f.Type() == data.FieldTypeString || f.Type() == data.FieldTypeNullableString
}

// changed returns a field with other texts. Whatever else it holds is taken out: a
// redacted number must not stay.
func changed(f *data.Field, change func(string) string) *data.Field {
	out := data.NewFieldFromFieldType(f.Type(), f.Len())
	out.Name, out.Labels, out.Config = f.Name, f.Labels, f.Config
	for i := range f.Len() {
		switch v := f.At(i).(type) {
		case string:
			out.Set(i, change(v))
		case *string:
			if v != nil {
				text := change(*v)
				out.Set(i, &text)
			}
		}
	}
	return out
}

// disguise has the pseudonyms of users by their ids.
type disguise struct {
	of      map[string]string
	phrases []string // ids with spaces and the like, which are no words
}

func (d *disguise) add(id, pseudonym string) {
	if _, known := d.of[id]; known {
		return
	}
	d.of[id] = pseudonym
	if strings.ContainsFunc(id, func(r rune) bool { return !wordRune(r) }) {
		d.phrases = append(d.phrases, id)
	}
}

// text puts pseudonyms in the place of the users' ids that occur in a text as words.
func (d *disguise) text(text string) string {
	if p, whole := d.of[text]; whole {
		return p
	}
	var out strings.Builder
	rest := text
	for rest != "" {
		end := strings.IndexFunc(rest, func(r rune) bool { return !wordRune(r) })
		switch end {
		case 0:
			_, size := utf8.DecodeRuneInString(rest)
			out.WriteString(rest[:size])
			rest = rest[size:]
			continue
		case -1:
			end = len(rest)
		}
		out.WriteString(wordWithout(rest[:end], d.of))
		rest = rest[end:]
	}
	result := out.String()
	for _, id := range d.phrases {
		if strings.Contains(result, id) {
			result = strings.ReplaceAll(result, id, d.of[id])
		}
	}
	return result
}

// wordWithout looks a word up, also without the full stop of a sentence, and its parts
// between dots, dashes and the like.
func wordWithout(word string, users map[string]string) string {
	if p, ok := users[word]; ok {
		return p
	}
	if trimmed := strings.TrimRight(word, ".-"); trimmed != word {
		if p, ok := users[trimmed]; ok {
			return p + word[len(trimmed):]
		}
	}
	return word
}

func wordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-.@+", r)
}

// withhold takes out the rows that are about too few users; those about nobody stay.
func (g *guard) withhold(s *shape, res *Result) {
	people, _ := res.Frame.FieldByName(s.People)
	if people == nil {
		res.Frame.Fields = res.Frame.EmptyCopy().Fields
		return
	}
	var keep []int
	for row := range res.Frame.Rows() {
		if n, err := people.FloatAt(row); err == nil && (n == 0 || n >= float64(g.Minimum)) {
			keep = append(keep, row)
		}
	}
	if n := res.Frame.Rows() - len(keep); n > 0 {
		for i, f := range res.Frame.Fields {
			out := data.NewFieldFromFieldType(f.Type(), len(keep))
			out.Name, out.Labels, out.Config = f.Name, f.Labels, f.Config
			for at, row := range keep {
				out.Set(at, f.At(row))
			}
			res.Frame.Fields[i] = out
		}
		for name, exact := range res.Exact {
			kept := make([]string, len(keep))
			for at, row := range keep {
				kept[at] = exact[row]
			}
			res.Exact[name] = kept
		}
		res.Meta.Notices = append(res.Meta.Notices, withheldNotice(n, g.Minimum))
	}
}

func withheldNotice(n, minimum int) string {
	return fmt.Sprintf("%d rows are withheld because they, or what they would give away, are about fewer than %d users", n, minimum)
}
