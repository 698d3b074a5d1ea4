import { FormEvent, KeyboardEvent, useState } from 'react';

interface Draft {
  value: string;
  onChange: (event: FormEvent<HTMLInputElement>) => void;
  onBlur: () => void;
  onKeyDown: (event: KeyboardEvent) => void;
}

/**
 * The state of an input whose text counts once it is left or Enter is pressed,
 * so that a query does not run at every key. A value that changes from outside
 * takes the draft's place.
 */
export function useDraft(value: string, commit: (text: string) => void): Draft {
  const [base, setBase] = useState(value);
  const [draft, setDraft] = useState(value);
  if (value !== base) {
    setBase(value);
    setDraft(value);
  }
  const finish = () => {
    if (draft !== value) {
      commit(draft);
    }
  };
  return {
    value: draft,
    onChange: (event) => setDraft(event.currentTarget.value),
    onBlur: finish,
    onKeyDown: (event) => event.key === 'Enter' && finish(),
  };
}
