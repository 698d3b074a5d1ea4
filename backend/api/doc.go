// Package api is the REST surface: the PRD's endpoints under /api/v1/analytics,
// each a way to write a query.Request and to read its Result. It knows neither
// SQL nor who may see what; both are backend/query's.
//
//	request -> authenticate -> check -> bind -> query.Request -> query.Engine -> JSON, CSV …
//	                |            |                                    |
//	               401, 403     400                        400, 403, 422, 503, 504
//
// openapi.yaml comes first: package spec, an interface with a method for each
// operation and a type for its parameters, is generated from it (go generate), and
// each request is checked against it before it is bound. An operation that is not
// described is not served, and the compiler asks for those that are.
//
// Every error is a problem document of RFC 9457 that names the parameter, says
// what is allowed, and gives an example that works.
package api
