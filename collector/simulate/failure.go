package simulate

import "strconv"

// failure is a family of errors.
type failure struct {
	kind      string
	weight    int
	transient bool    // worth another attempt
	length    float64 // share of a usual duration after which it shows; 0 is the step's timeout
	messages  []string
}

// The messages' holes: {n} a number, {id} a hexadecimal id, {ms} a duration,
// {svc} the upstream, {mail} an address, {q} a quoted value.
var (
	timeout       = failure{"timeout", 22, true, 0, []string{"request to {svc} timed out after {ms}ms", "deadline exceeded while waiting for {svc} (request {id})"}}
	rateLimited   = failure{"rate_limited", 18, true, 0.2, []string{"{svc} answered 429: quota of {n} requests per minute reached, retry in {n}s"}}
	authExpired   = failure{"auth_expired", 7, false, 0.3, []string{"{svc} answered 401: token {id} expired", "credential {id} of {svc} is no longer valid"}}
	badInput      = failure{"bad_input", 14, false, 0.4, []string{"field {q} must be a number", "record {n}: required field {q} is missing", "cannot parse {q} as a date"}}
	upstream5xx   = failure{"upstream_5xx", 24, true, 0.9, []string{"{svc} answered 503 Service Unavailable (request {id})", "{svc} answered 500: internal error {id}", "{svc} answered 502 Bad Gateway"}}
	reset         = failure{"connection_reset", 9, true, 0.6, []string{"connection to {svc} reset by peer after {n} bytes"}}
	deadlock      = failure{"deadlock", 10, true, 1.4, []string{"deadlock detected: process {n} waits for transaction {n}"}}
	connections   = failure{"connection_lost", 8, true, 0.3, []string{"too many connections to {svc}: {n} of {n} in use"}}
	contextLength = failure{"context_too_long", 9, false, 0.2, []string{"prompt has {n} tokens, the model takes 128000"}}
	content       = failure{"content_filtered", 5, false, 0.8, []string{"answer {id} was withheld by the content filter"}}
	recipient     = failure{"invalid_recipient", 12, false, 0.5, []string{"mailbox {mail} does not exist", "{mail} is on the suppression list"}}
	scriptError   = failure{"script_error", 12, false, 0.5, []string{"line {n}: undefined variable {q}", "line {n}: index {n} out of range"}}
	memory        = failure{"out_of_memory", 4, false, 1.8, []string{"worker {id} killed: memory limit of 512MiB reached"}}
	overtime      = failure{"execution_timeout", 0, false, 0, []string{"the execution was stopped at its limit of 3600s"}}
	notFound      = failure{"not_found", 6, false, 0.6, []string{"object {id}/{n}.pdf does not exist", "{svc} answered 404 for record {n}"}}
)

// failures are what a step of a type fails with.
var failures = [...][]failure{
	httpRequest:   {timeout, rateLimited, authExpired, badInput, upstream5xx, reset, notFound},
	databaseQuery: {timeout, deadlock, connections, badInput},
	llmCall:       {rateLimited, timeout, upstream5xx, contextLength, content},
	email:         {recipient, rateLimited, timeout},
	wait:          {timeout},
	condition:     {badInput},
	code:          {scriptError, memory, badInput},
	transform:     {badInput, scriptError},
	storeFile:     {timeout, upstream5xx, authExpired, notFound},
}

// duringIncident is what calls of an upstream fail with while it is away.
var duringIncident = []failure{upstream5xx, timeout, reset}

func pick(r *rng, from []failure) *failure {
	sum := 0
	for i := range from {
		sum += from[i].weight
	}
	n := r.intn(sum)
	for i := range from {
		if n -= from[i].weight; n < 0 {
			return &from[i]
		}
	}
	return &from[0]
}

var fieldWords = []string{"amount", "due_date", "currency", "email", "country", "sku", "quantity", "postal_code"}

// appendMessage fills in a message. Nothing in it needs escaping in JSON.
func (f *failure) appendMessage(dst []byte, r *rng, service string, ms int64) []byte {
	text := f.messages[r.intn(len(f.messages))]
	for i := 0; i < len(text); i++ {
		if text[i] != '{' {
			dst = append(dst, text[i])
			continue
		}
		end := i + 1
		for text[end] != '}' {
			end++
		}
		switch text[i+1 : end] {
		case "n":
			dst = strconv.AppendInt(dst, int64(r.intn(9000))+12, 10)
		case "ms":
			dst = strconv.AppendInt(dst, ms, 10)
		case "id":
			dst = appendHex(dst, r.next())
		case "svc":
			if service == "" {
				service = "worker"
			}
			dst = append(dst, service...)
		case "mail":
			dst = append(dst, firstNames[r.intn(len(firstNames))]...)
			dst = strconv.AppendInt(append(dst, '.'), int64(r.intn(900)), 10)
			dst = append(dst, "@example.com"...)
		case "q":
			dst = append(append(append(dst, '\''), fieldWords[r.intn(len(fieldWords))]...), '\'')
		}
		i = end
	}
	return dst
}
