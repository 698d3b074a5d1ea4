package gather

// DrawFragments is for the tests that import packages which import this one.
var DrawFragments = drawFragments
