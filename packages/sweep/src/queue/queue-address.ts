/**
 * Where a queue is. Its password is never part of a message.
 */
import { queueUrl } from '../errors';

/** How the server is reached. */
// A type, not an interface: it has to fit options with keys of any name.
export type ServerOptions = {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: object;
};

/** Address and name of a Redis server. */
export interface QueueAddress {
  /** `redis://host:6379/0`: for messages. */
  readonly name: string;
  readonly options: ServerOptions;
}

/** Where the password comes from when the URL has none: what is typed is seen by everybody who lists processes. */
export const PASSWORD_VARIABLE = 'MMULAB_QUEUE_PASSWORD';

const DEFAULT_PORT = 6379;
const CREDENTIALS = /(\w+:\/\/)[^/@\s]*@/g;

/**
 * Reads `redis://[[USER:]PASSWORD@]HOST[:PORT][/DB]`. A lone part before the @ is a password.
 * @throws QUEUE_URL
 */
export function readQueueAddress(url: string, env: NodeJS.ProcessEnv = process.env): QueueAddress {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const db = /^\/?(\d*)$/.exec(parsed?.pathname ?? 'none')?.[1];
  const isRedis = parsed?.protocol === 'redis:' || parsed?.protocol === 'rediss:';
  if (parsed === undefined || !isRedis || parsed.hostname === '' || db === undefined) throw queueUrl(withoutCredentials(url));
  const { protocol, hostname, port, username, password } = parsed;
  const [user, word] = password === '' ? ['', username] : [username, password];
  const secret = word === '' ? (env[PASSWORD_VARIABLE] ?? '') : decodeURIComponent(word);
  const host = hostname.replace(/^\[|\]$/g, '');
  return {
    name: `${protocol}//${hostname}:${port === '' ? DEFAULT_PORT : port}/${db === '' ? 0 : db}`,
    options: {
      host,
      port: port === '' ? DEFAULT_PORT : Number(port),
      db: Number(db),
      ...(user === '' ? {} : { username: decodeURIComponent(user) }),
      ...(secret === '' ? {} : { password: secret }),
      ...(protocol === 'rediss:' ? { tls: {} } : {}),
    },
  };
}

/** A text in which URLs say nothing of users and passwords. */
export function withoutCredentials(text: string): string {
  return text.replace(CREDENTIALS, '$1');
}
