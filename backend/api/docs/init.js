"use strict";

// The key that is entered stays in this page's memory and goes when the page does.
SwaggerUIBundle({
  url: "openapi.yaml",
  dom_id: "#page",
  deepLinking: true,
  filter: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  persistAuthorization: false,
  queryConfigEnabled: false, // no address may name another document
  validatorUrl: null, // nothing is sent to anybody else
});
