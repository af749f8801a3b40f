// Medplum's own client, given nothing but a base URL and a token: standard input has them and the message.
import { readFileSync } from 'node:fs';

// Node has it from version 22 on; the client looks at it as it is loaded and sends mail without.
globalThis.WebSocket ??= class WebSocket {};
const { MedplumClient, OperationOutcomeError } = await import('@medplum/core');

const { baseUrl, token, message } = JSON.parse(readFileSync(0, 'utf-8'));
const client = new MedplumClient({ baseUrl, accessToken: token });
try {
  console.log(JSON.stringify({ answer: await client.sendEmail(message) }));
} catch (error) {
  const outcome = error instanceof OperationOutcomeError ? error.outcome : undefined;
  console.log(JSON.stringify({ refused: { outcome, text: String(error.message) } }));
}
