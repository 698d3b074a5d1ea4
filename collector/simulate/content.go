package simulate

// family is a sort of workflow, of which a platform has variants.
type family struct {
	name    string
	team    string
	trigger trigger
	every   schedule // when trigger is schedule
	heavy   float64  // by how much its steps are longer than usual
	recipe  string   // see parseRecipe
}

var families = []family{
	{"invoice-sync", "finance", webhook, 0, 1, "receive:transform fetch-invoice:http@erp validate:condition match-order:db@warehouse-db convert-currency:http@fx-api<fetch-invoice post-ledger:http@erp<match-order+convert-currency notify:email@mail-gateway?<validate"},
	{"lead-enrichment", "sales", webhook, 0, 1, "receive:transform company:http@enrichment-api<receive person:http@enrichment-api<receive geo:http@geo-api<receive merge:transform<company+person+geo score:llm@llm-provider is-hot:condition upsert:http@crm-api<score alert-rep:email@mail-gateway?<is-hot"},
	{"ticket-triage", "support", webhook, 0, 1, "receive:transform history:db@warehouse-db<receive classify:llm@llm-provider<receive route:condition<classify+history assign:http@helpdesk-api<route escalate:email@mail-gateway?<route"},
	{"order-fulfilment", "operations", webhook, 0, 1, "receive:transform reserve-stock:db@warehouse-db charge:http@payment-api<receive label:http@carrier-api<reserve-stock+charge store-label:store@object-store confirm:email@mail-gateway<label update-order:http@shop-api<label"},
	{"nightly-backup", "data", scheduled, daily, 90, "list-tables:db@warehouse-db dump:db@warehouse-db compress:code upload:store@object-store verify:code prune:store@object-store report:email@mail-gateway<verify"},
	{"inventory-sync", "operations", scheduled, quarterly, 2, "fetch-stock:http@erp fetch-shop:http@shop-api< diff:transform<fetch-stock+fetch-shop changed:condition push:http@shop-api?<changed"},
	{"quote-generator", "sales", api, 0, 1, "load-deal:http@crm-api prices:db@warehouse-db<load-deal terms:llm@llm-provider<load-deal render:code<prices+terms store-pdf:store@object-store send:email@mail-gateway"},
	{"reply-drafting", "support", api, 0, 1, "load-thread:http@helpdesk-api knowledge:db@warehouse-db<load-thread draft:llm@llm-provider check-tone:llm@llm-provider policy:condition save:http@helpdesk-api<check-tone"},
	{"payment-reconciliation", "finance", scheduled, hourly, 4, "bank-lines:http@bank-api open-items:db@warehouse-db< match:code<bank-lines+open-items unmatched:condition post:http@erp<match review:email@mail-gateway?<unmatched"},
	{"shipment-tracking", "operations", webhook, 0, 1, "receive:transform lookup:db@warehouse-db status:http@carrier-api<receive delayed:condition<lookup+status notify:email@mail-gateway?<delayed"},
	{"newsletter-dispatch", "marketing", manual, 0, 6, "segment:db@warehouse-db personalise:llm@llm-provider render:transform throttle:wait send:email@mail-gateway log:db@warehouse-db"},
	{"warehouse-load", "data", scheduled, daily, 60, "extract-crm:http@crm-api extract-erp:http@erp< extract-shop:http@shop-api< stage:store@object-store<extract-crm+extract-erp+extract-shop load:db@warehouse-db model:db@warehouse-db test:code publish:http@catalog-api"},
	{"sla-watch", "support", scheduled, quarterly, 1, "open-tickets:http@helpdesk-api breaching:condition warn:email@mail-gateway?<breaching"},
	{"expense-approval", "finance", webhook, 0, 1, "receive:transform read-receipt:llm@llm-provider policy:condition wait-manager:wait<policy decide:condition book:http@erp<decide notify:email@mail-gateway<decide"},
	{"candidate-screening", "people", webhook, 0, 1, "receive:transform fetch-cv:store@object-store extract:llm@llm-provider match:llm@llm-provider suitable:condition update:http@hr-api<match invite:email@mail-gateway?<suitable"},
	{"campaign-attribution", "marketing", scheduled, hourly, 8, "touchpoints:db@warehouse-db spend:http@ads-api< join:transform<touchpoints+spend weights:code save:db@warehouse-db"},
	{"employee-onboarding", "people", manual, 0, 2, "profile:http@hr-api mailbox:http@directory-api<profile laptop:http@ticket-api<profile payroll:http@payroll-api<profile welcome:email@mail-gateway<mailbox+laptop+payroll"},
	{"returns-processing", "operations", webhook, 0, 1, "receive:transform order:db@warehouse-db eligible:condition refund:http@payment-api?<eligible restock:http@erp?<eligible confirm:email@mail-gateway<refund+restock"},
	{"health-probe", "platform", scheduled, quarterly, 1, "ping:http@shop-api query:db@warehouse-db< evaluate:condition<ping+query page:http@pager-api?<evaluate"},
	{"data-quality-check", "data", scheduled, weekdays, 12, "profile:db@warehouse-db rules:code anomalies:condition ticket:http@ticket-api?<anomalies report:email@mail-gateway<rules"},
	{"deal-won-handover", "sales", webhook, 0, 1, "receive:transform account:http@crm-api project:http@ticket-api<account contract:store@object-store<account kickoff:email@mail-gateway<project+contract"},
	{"csat-survey", "marketing", webhook, 0, 1, "receive:transform cool-down:wait opted-out:condition send:email@mail-gateway?<opted-out record:db@warehouse-db<cool-down"},
	{"supplier-import", "operations", scheduled, daily, 20, "fetch-catalog:http@supplier-api parse:code validate:transform dedupe:db@warehouse-db upsert:db@warehouse-db summary:email@mail-gateway"},
	{"document-intake", "finance", api, 0, 1, "upload:store@object-store ocr:code classify:llm@llm-provider fields:llm@llm-provider<ocr validate:transform<classify+fields complete:condition file:http@erp<validate ask:email@mail-gateway?<complete"},
	{"pipeline-digest", "sales", scheduled, weekdays, 3, "deals:http@crm-api forecast:code summarise:llm@llm-provider send:email@mail-gateway"},
	{"access-review", "platform", scheduled, weekly, 5, "accounts:http@directory-api grants:db@warehouse-db< stale:transform<accounts+grants any:condition revoke:http@directory-api?<any report:email@mail-gateway<stale"},
	{"churn-scoring", "data", scheduled, daily, 25, "features:db@warehouse-db model:code scores:db@warehouse-db at-risk:condition tasks:http@crm-api?<at-risk"},
	{"chat-assistant", "support", api, 0, 1, "load-context:db@warehouse-db retrieve:http@search-api< answer:llm@llm-provider<load-context+retrieve safe:condition reply:http@helpdesk-api<answer"},
	{"report-refresh", "data", scheduled, hourly, 6, "query:db@warehouse-db shape:transform charts:code publish:http@catalog-api"},
	{"vat-report", "finance", scheduled, monthly, 30, "collect:db@warehouse-db rates:http@fx-api< compute:code<collect+rates file:store@object-store submit:http@tax-api confirm:email@mail-gateway"},
	{"social-listening", "marketing", scheduled, hourly, 2, "fetch:http@social-api dedupe:transform sentiment:llm@llm-provider negative:condition alert:email@mail-gateway?<negative save:db@warehouse-db<sentiment"},
	{"incident-response", "platform", webhook, 0, 1, "receive:transform enrich:http@pager-api logs:http@search-api<receive summarise:llm@llm-provider<enrich+logs severity:condition page:http@pager-api?<severity ticket:http@ticket-api<summarise"},
	{"payroll-export", "people", scheduled, weekly, 15, "hours:db@warehouse-db absences:http@hr-api< compute:code<hours+absences export:store@object-store submit:http@payroll-api notify:email@mail-gateway"},
}

// variants are appended to a family's name, the first being its own.
var variants = []string{
	"", "-emea", "-us", "-apac", "-retail", "-b2b", "-dach", "-uk", "-latam", "-partners",
	"-nordics", "-enterprise", "-marketplace", "-pilot", "-benelux", "-iberia",
}

var regions = []string{"eu-central", "eu-west", "us-east", "us-west", "ap-southeast"}

var teams = []string{"sales", "operations", "finance", "support", "marketing", "data", "people", "platform"}

var firstNames = []string{
	"anna", "ben", "carla", "david", "elena", "felix", "grace", "hassan", "ines", "jonas", "katya", "liam",
	"mei", "noah", "olga", "pablo", "quinn", "rosa", "samir", "tara", "umar", "vera", "wei", "ximena", "yusuf", "zoe",
}

var lastNames = []string{
	"keller", "okafor", "lindqvist", "tanaka", "moreau", "silva", "novak", "haddad", "jensen", "rossi",
	"kowalski", "fischer", "mbeki", "larsen", "ortega", "singh", "dubois", "petrov", "nguyen", "walsh",
	"yilmaz", "bauer", "costa",
}
