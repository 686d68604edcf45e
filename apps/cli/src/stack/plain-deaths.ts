import type { Logger } from '@cotrain/chain';

/** How \`startService\` logs that a service died, in fields. */
interface Death {
  service: string;
  how: string;
  lastWords: string;
}

const maxLastWords = 300;

/**
 * A logger that says the death of a service in a plain line: who runs a stack on a terminal reads what happened, not JSON.
 * Everything else goes on to the logger below.
 */
export function plainDeaths(logger: Logger, write: (line: string) => void): Logger {
  return {
    debug: (fields, message) => {
      logger.debug(fields, message);
    },
    info: (fields, message) => {
      logger.info(fields, message);
    },
    warn: (fields, message) => {
      if (isDeath(fields)) write(sentence(fields));
      else logger.warn(fields, message);
    },
  };
}

function isDeath(fields: object): fields is Death {
  return ['service', 'how', 'lastWords'].every((name) => typeof (fields as Record<string, unknown>)[name] === 'string');
}

function sentence({ service, how, lastWords }: Death): string {
  const words = lastWords.split('\n').at(-1)?.slice(0, maxLastWords) ?? '';
  return `${service} has died (${how}) and is started again${words === '' ? '' : `; its last words: ${words}`}`;
}
