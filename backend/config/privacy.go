package config

import "fmt"

// Privacy is what access policies need beside the policies themselves.
type Privacy struct {
	// KeyFile has the secret of pseudonyms, from which each tenant's key is derived. With
	// another secret everybody has another pseudonym.
	KeyFile string `koanf:"key_file"`
	Key     string `koanf:"key"`
}

// Audit is the record of who read what.
type Audit struct {
	// Required withholds answers that cannot be recorded; else they are counted.
	Required bool `koanf:"required"`
}

func (p *Privacy) validate() error {
	if n := len(p.Key); n > 0 && n < 32 {
		return fmt.Errorf("privacy.key has %d characters, which can be guessed: give 32 or more, e.g. of 'openssl rand -hex 32'", n)
	}
	return nil
}
