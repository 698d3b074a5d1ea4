package conformance

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/flowgauge/flowgauge/backend/export"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// deliveriesAtOnce are given to an exporter.
const deliveriesAtOnce = 4

const (
	firstHour = 1_767_225_600_000
	anHour    = 3_600_000
)

// answer is a table with columns of every type, as Flowgauge's own have them.
func answer(rows int) *contractv1.Table {
	times, texts, numbers, decimals := make([]int64, rows), make([]string, rows), make([]float64, rows), make([]string, rows)
	var nulls []uint32
	for i := range rows {
		times[i], texts[i], numbers[i], decimals[i] = firstHour, "workflow-"+strconv.Itoa(i), float64(i)/4, strconv.Itoa(i)+".000000000000001"
		if i%5 == 1 {
			nulls = append(nulls, uint32(i))
			numbers[i], decimals[i] = 0, ""
		}
	}
	return &contractv1.Table{Columns: []*contractv1.Column{
		{Name: "time", Values: &contractv1.Column_Times{Times: &contractv1.Times{Values: times}}},
		{Name: "workflow", Values: &contractv1.Column_Texts{Texts: &contractv1.Texts{Values: texts}}},
		{Name: "p95", Unit: "ms", Values: &contractv1.Column_Numbers{Numbers: &contractv1.Numbers{Values: numbers}}, Nulls: nulls},
		{Name: "dollars", Unit: "dollars", Values: &contractv1.Column_Decimals{Decimals: &contractv1.Decimals{Values: decimals}}, Nulls: nulls},
	}}
}

// handed is a delivery of a period of its own.
func handed(id string, table *contractv1.Table) *contractv1.ExportRequest {
	return &contractv1.ExportRequest{Delivery: "conformance-" + id, TenantId: "conformance", Name: id, From: firstHour, To: firstHour + anHour, Last: true, Table: table}
}

// strange are deliveries that are rare and right: with no rows, no columns, and the longest and
// strangest texts that there may be.
func strange() []*contractv1.ExportRequest {
	texts := []string{"", "\"'; DROP TABLE <b>😀</b> ${HOME} %s {{.}}", "a,b\tc\r\nd", "=1+1", "\u202eback\u202c \u200b zero", strings.Repeat("語", 5000)}
	numbers := []float64{0, -1.5, 1e300, -1e-300, 9_007_199_254_740_993, 0}
	table := &contractv1.Table{Columns: []*contractv1.Column{
		{Name: "metadata.a/b \"c\"", Values: &contractv1.Column_Texts{Texts: &contractv1.Texts{Values: texts}}, Nulls: []uint32{0}},
		{Name: strings.Repeat("n", 200), Labels: map[string]string{"version": "2", "a": "=\n"}, Values: &contractv1.Column_Numbers{Numbers: &contractv1.Numbers{Values: numbers}}, Nulls: []uint32{5}},
		{Name: "ended", Values: &contractv1.Column_Times{Times: &contractv1.Times{Values: make([]int64, len(texts))}}, Nulls: []uint32{0, 1, 2, 3, 4, 5}},
		{Name: "dollars", Values: &contractv1.Column_Decimals{Decimals: &contractv1.Decimals{Values: []string{"-0.000000000000001", "123456789012345678901234567890", "0", "1", "2", "3"}}}},
	}}
	longest := handed("strange", table)
	longest.TenantId, longest.Name = "../"+strings.Repeat("語", 80), strings.Repeat("n", 100)
	return []*contractv1.ExportRequest{handed("empty", answer(0)), handed("nothing", nil), longest}
}

// exporter makes the checks of answers. A plugin may refuse one that is strange; that it fails
// says that it is to be asked again.
func (t *tester) exporter(ctx context.Context, p export.Remote) {
	send := func(req *contractv1.ExportRequest) error {
		_, err := p.Export(ctx, req)
		return err
	}
	usual := handed("usual", answer(10))
	t.check("exporter: it takes an answer with columns of every type, and rows without a value", func() error { return send(usual) })
	t.check("exporter: it takes the same delivery again", func() error { return send(usual) })
	t.check("exporter: it takes or refuses answers with no rows, with no columns, with the longest and strangest texts", func() error {
		var errs []error
		for _, req := range strange() {
			if err := send(req); err != nil && !refused(err) {
				errs = append(errs, fmt.Errorf("delivery %s: %w", req.GetDelivery(), err))
			}
		}
		return errors.Join(errs...)
	})
	t.check(fmt.Sprintf("exporter: it takes an answer in two parts of %d rows, and the same in one", export.MaxRows), func() error {
		for part, last := range []bool{false, true, true} {
			req := handed("large", answer(export.MaxRows))
			req.Part, req.Last = uint32(part%2), last
			req.Delivery += strconv.Itoa(part % 2)
			if err := send(req); err != nil {
				return fmt.Errorf("part %d: %w", part%2, err)
			}
		}
		return nil
	})
	t.check(fmt.Sprintf("exporter: it takes %d deliveries at the same time, and the same one as often", deliveriesAtOnce), func() error {
		errs := make([]error, 2*deliveriesAtOnce)
		var sending sync.WaitGroup
		for i := range errs {
			sending.Go(func() { errs[i] = send(handed("at-once-"+strconv.Itoa(i%(deliveriesAtOnce+1)), answer(1000))) })
		}
		sending.Wait()
		return errors.Join(errs...)
	})
}
