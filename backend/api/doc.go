// Package api is the REST surface: the PRD's endpoints under /api/v1/analytics,
// each a way to write a query.Request and to read its Result. It knows neither
// SQL nor who may see what; both are backend/query's.
//
//	request -> authenticate -> parameters -> query.Request -> query.Engine -> JSON
//	                |               |                              |
//	               401, 403        400                  400, 403, 422, 503, 504
//
// Every error is a problem document of RFC 9457 that names the parameter, says
// what is allowed, and gives an example that works.
package api
