package schema

// VersionMoved is a bit in the version of a raw table's row that is above the order
// of receipt. Rows that have it win against all that have not: those that delete an
// identity whose event has moved to another time, and those that bring one back.
// Without it, the event's first delivery would count again when it is repeated,
// because its receipt is later than that of the deletion.
//
// The order of receipt, microseconds since 1970, stays below it.
const VersionMoved uint64 = 1 << 62
