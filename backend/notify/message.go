package notify

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/event"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// What messages are about.
const (
	AboutThreshold = "budget.threshold" // a threshold, or the amount, is reached
	AboutForecast  = "budget.forecast"  // the amount is expected to be reached
)

// The longest texts of messages, in bytes. What budgets are called is bounded, so no message
// comes near them.
const (
	MaxTitle   = 500
	MaxText    = 4000
	MaxDetails = 16 << 10
)

// details are for programs. Amounts are exact.
type details struct {
	Budget      string    `json:"budget"`
	Name        string    `json:"name"`
	Of          string    `json:"of"` // dollars or credits
	Amount      string    `json:"amount"`
	Reached     string    `json:"reached,omitempty"` // of what was spent; none in a forecast
	Spent       string    `json:"spent"`
	PeriodStart time.Time `json:"periodStart"`
	PeriodEnd   time.Time `json:"periodEnd"`

	Forecast        *float64   `json:"forecast,omitempty"`
	ForecastLower80 *float64   `json:"forecastLower80,omitempty"`
	ForecastUpper80 *float64   `json:"forecastUpper80,omitempty"`
	Crossing        *time.Time `json:"crossing,omitempty"`
}

// reached tells that spending has reached an amount.
func (s *standing) reached(amount event.Decimal, now time.Time) *contractv1.NotifyRequest {
	share := percent(amount, s.Amount)
	severity, title := contractv1.Severity_SEVERITY_WARNING, s.Name+": "+share+" of the budget is reached"
	if amount.Cmp(s.Amount) >= 0 {
		severity = contractv1.Severity_SEVERITY_CRITICAL
	}
	text := fmt.Sprintf("Of %s %s for %s, %s are spent (%s): %s %s, %s of the budget, is reached.",
		s.Amount, s.Of, s.period(), s.Spent, percent(s.Spent, s.Amount), amount, s.Of, share)
	if s.expected() {
		text += " " + s.outlook()
	}
	return s.message(AboutThreshold, amount.String(), severity, title, text, now)
}

// expected reports whether the amount, which is not spent, is likely to be.
func (s *standing) expected() bool {
	return s.Crossing != nil && s.Forecast != nil && s.Lower80 != nil && s.Upper80 != nil && *s.Forecast > s.Amount.Float64()
}

// foreseen tells that spending is expected to reach the amount.
func (s *standing) foreseen(now time.Time) *contractv1.NotifyRequest {
	text := fmt.Sprintf("Of %s %s for %s, %s are spent (%s). %s", s.Amount, s.Of, s.period(), s.Spent, percent(s.Spent, s.Amount), s.outlook())
	return s.message(AboutForecast, "", contractv1.Severity_SEVERITY_INFO, s.Name+": the budget is likely to be exceeded", text, now)
}

func (s *standing) outlook() string {
	figure := func(v *float64) string { return strconv.FormatFloat(*v, 'f', 2, 64) }
	return fmt.Sprintf("By the end of the period %s %s are expected (between %s and %s in four cases of five), and the amount to be reached by %s.",
		figure(s.Forecast), s.Of, figure(s.Lower80), figure(s.Upper80), s.Crossing.In(s.From.Location()).Format("2006-01-02 15:04"))
}

func (s *standing) period() string {
	first, last := s.From.Format(time.DateOnly), s.To.Add(-time.Millisecond).Format(time.DateOnly)
	if first != last {
		first += " to " + last
	}
	return first + " (" + s.From.Location().String() + ")"
}

func percent(part, of event.Decimal) string {
	return short(100*part.Float64()/of.Float64()) + " %"
}

// short has four digits that count, and no exponent.
func short(v float64) string {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	if err != nil {
		panic("notify: " + err.Error()) // it was just formatted
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// message has an id that is the same whenever the same thing is found.
func (s *standing) message(about, reached string, severity contractv1.Severity, title, text string, now time.Time) *contractv1.NotifyRequest {
	d := details{
		Budget: s.Budget, Name: s.Name, Of: s.Of, Amount: s.Amount.String(), Reached: reached, Spent: s.Spent.String(), PeriodStart: s.From, PeriodEnd: s.To,
		Forecast: s.Forecast, ForecastLower80: s.Lower80, ForecastUpper80: s.Upper80, Crossing: s.Crossing,
	}
	detail, err := json.Marshal(d)
	if err != nil {
		panic("notify: " + err.Error()) // numbers are finite, and the rest cannot fail
	}
	return &contractv1.NotifyRequest{
		Id:       digest(about, s.Tenant, s.Budget, s.Of, strconv.FormatInt(s.From.UnixMilli(), 10), strconv.FormatInt(s.To.UnixMilli(), 10), reached),
		TenantId: s.Tenant, About: about, Severity: severity, Title: plain(title), Text: plain(text), Details: string(detail), At: now.UnixMilli(),
	}
}

// plain makes a text one that gRPC and JSON take, on one line: names are what people wrote.
func plain(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// digest tells apart what differs in any part.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
