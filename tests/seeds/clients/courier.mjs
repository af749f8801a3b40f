// Courier's own client, given nothing but a base URL and a token: standard input has them and the message.
import Courier from '@trycourier/courier';
import { readFileSync } from 'node:fs';

const { baseUrl, token, message } = JSON.parse(readFileSync(0, 'utf-8'));
const client = new Courier({ baseURL: baseUrl, apiKey: token });
try {
  console.log(JSON.stringify({ answer: await client.send.message({ message }) }));
} catch (error) {
  console.log(JSON.stringify({ refused: { status: error.status, body: error.error } }));
}
