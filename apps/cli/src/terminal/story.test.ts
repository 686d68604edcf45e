import { expect, it } from '@jest/globals';
import { Story } from './story.ts';

class Screen {
  text = '';
  constructor(readonly isTTY: boolean) {}
  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

function tell(
  isTTY: boolean,
  environment: NodeJS.ProcessEnv = {},
): { screen: Screen; story: Story; wait: (ms: number) => void } {
  let nowMs = 0;
  const screen = new Screen(isTTY);
  const story = new Story(screen, { environment, now: () => nowMs, lineEveryMs: 3_000 });
  return { screen, story, wait: (ms) => (nowMs += ms) };
}

it('writes plain lines into a log, with progress every few seconds and no control characters', () => {
  const { screen, story, wait } = tell(false);
  story.heading('Training');
  for (let step = 0; step < 100; step++) {
    story.progress(step, 100, `batch ${String(step)}`);
    wait(100);
  }
  story.line('done');
  expect(screen.text).toBe('\nTraining\n  batch 0\n  batch 30\n  batch 60\n  batch 90\ndone\n');
});

it('says less often that nothing has changed', () => {
  const { screen, story, wait } = tell(false);
  for (let ms = 0; ms < 31_000; ms += 1_000) {
    story.progress(0, 3, '0 of 3 have voted');
    wait(1_000);
  }
  expect(screen.text).toBe('  0 of 3 have voted\n'.repeat(3));
});

it('keeps the bar on one line of a terminal and takes it away before the next line', () => {
  const { screen, story } = tell(true);
  story.progress(1, 2, 'half');
  story.progress(2, 2, 'all');
  story.line('done');
  expect(screen.text.split('\n')).toHaveLength(2);
  expect(screen.text).toContain(`${'█'.repeat(15)}${'░'.repeat(15)} half`);
  expect(screen.text).toContain(`${'█'.repeat(30)} all`);
  expect(screen.text.endsWith('\r\u001b[2Kdone\n')).toBe(true);
});

it('uses bold headings on a terminal, unless NO_COLOR says not to', () => {
  const bold = '\u001b[1mTraining\u001b[0m';
  const headingWith = (environment: NodeJS.ProcessEnv): string => {
    const { screen, story } = tell(true, environment);
    story.heading('Training');
    return screen.text;
  };
  expect(headingWith({})).toContain(bold);
  expect(headingWith({ NO_COLOR: '' })).toContain(bold);
  expect(headingWith({ NO_COLOR: '1' })).not.toContain('\u001b');
  expect(headingWith({ TERM: 'dumb' })).not.toContain('\u001b');
});

it('draws no bar longer than its frame when more is done than was expected', () => {
  const { screen, story } = tell(true);
  story.progress(7, 0, 'more');
  story.progress(9, 3, 'more');
  expect(screen.text).not.toContain('█'.repeat(31));
});
