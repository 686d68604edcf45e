import type { JobBackendName, Reference } from '@cotrain/protocol';

/** Telemetry, one line of JSON each. Wall times are here and nowhere in the log. */
export type ProgressEvent =
  | {
      type: 'start';
      step: number;
      steps: number;
      backend: JobBackendName;
      /** What computes on this machine: an implementation of exact/1, or the backend. */
      computer: string;
      resumed: boolean;
      from: 'start' | 'disk' | 'swarm';
    }
  | { type: 'batch'; step: number; steps: number; loss: number; metric: number; wallMs: number }
  | { type: 'segment'; segment: number; step: number; stateRoot: Reference }
  /** The log so far is on Swarm; `train --resume-from` continues from it on another machine. */
  | { type: 'checkpoint'; step: number; logReference: Reference }
  /** A step of the segment has no finite result, so the segment changes nothing. */
  | { type: 'void-segment'; segment: number; step: number; reason: string }
  | { type: 'evaluation'; step: number; accuracy: number | null; loss: number | null }
  | { type: 'evaluation-failed'; step: number; reason: string }
  | { type: 'retry'; reason: string }
  | {
      type: 'result';
      logReference: Reference;
      modelReference: Reference;
      steps: number;
      backend: JobBackendName;
      testAccuracy: number | null;
      testLoss: number | null;
    };

/** Where lines go; the process's stdout or stderr. */
export interface LineSink {
  write(text: string): unknown;
  columns?: number;
}

export type ProgressStyle = 'json' | 'bar' | 'none';

/** Prints progress. The result is always printed as JSON on `output`; a bar is drawn on `terminal`. */
export function progressPrinter(
  style: ProgressStyle,
  output: LineSink,
  terminal: LineSink,
  labels: Record<string, string> = {},
): (event: ProgressEvent) => void {
  let drawnAtMs = 0;
  return (event) => {
    if (style === 'json' || event.type === 'result') {
      if (style === 'bar') terminal.write('\n');
      output.write(`${JSON.stringify({ ...event, ...labels })}\n`);
    } else if (style === 'bar') {
      if (event.type === 'batch') {
        const last = event.step + 1 === event.steps;
        if (!last && performance.now() - drawnAtMs < 100) return;
        drawnAtMs = performance.now();
        terminal.write(`\r${drawBar(event, terminal.columns ?? 80)}`);
      } else if (event.type === 'evaluation')
        terminal.write(
          `\ntest: accuracy ${event.accuracy === null ? 'unknown' : `${(100 * event.accuracy).toFixed(2)} %`}, loss ${event.loss?.toFixed(4) ?? 'not finite'}\n`,
        );
      else if (event.type === 'void-segment')
        terminal.write(`\nsegment ${String(event.segment)} is void: step ${String(event.step)}: ${event.reason}\n`);
      else if (event.type === 'evaluation-failed') terminal.write(`\nno evaluation: ${event.reason}\n`);
      else if (event.type === 'retry') terminal.write(`\nwaiting for the store: ${event.reason}\n`);
    }
  };
}

function drawBar(event: Extract<ProgressEvent, { type: 'batch' }>, columns: number): string {
  const text = ` ${String(event.step + 1)}/${String(event.steps)}  loss ${event.loss.toFixed(4)}  metric ${event.metric.toFixed(3)}  ${event.wallMs.toFixed(1)} ms `;
  const width = Math.max(10, Math.min(40, columns - text.length - 3));
  const filled = Math.round((width * (event.step + 1)) / event.steps);
  return `[${'='.repeat(filled)}${' '.repeat(width - filled)}]${text}`;
}
