package schema

// Render renders one migration.
func Render(l Layout, text string) ([]string, error) { return l.render(text) }
