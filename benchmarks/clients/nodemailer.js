// Nodemailer: its pool with one connection, or a transport without a pool, which connects for each message.

import fs from 'node:fs';
import nodemailer from 'nodemailer';

const job = JSON.parse(process.argv[2]);
const text = fs.readFileSync(job.text_path, 'utf8');
const html = fs.readFileSync(job.html_path, 'utf8');
const attachment = job.attachment_path ? fs.readFileSync(job.attachment_path) : null;

const transporter = nodemailer.createTransport({
    pool: !job.cold,
    maxConnections: 1,
    maxMessages: Infinity,
    host: job.host,
    port: job.port,
    secure: job.security === 'implicit',
    requireTLS: job.security === 'starttls',
    ignoreTLS: job.security === 'plain',
    name: 'bench.example',
    auth: job.authenticate ? { user: job.username, pass: job.password } : undefined,
    tls: { ca: fs.readFileSync(job.ca_path) }
});

const send = () =>
    transporter.sendMail({
        from: { name: job.from_name, address: job.from_address },
        to: job.recipients,
        subject: job.subject,
        text,
        html,
        attachments: attachment
            ? [{ filename: job.attachment_name, contentType: job.attachment_type, content: attachment }]
            : []
    });

const peakRssKib = () => {
    try {
        return Number(/^VmHWM:\s+(\d+)/m.exec(fs.readFileSync('/proc/self/status', 'latin1'))[1]);
    } catch {
        return process.resourceUsage().maxRSS;
    }
};

for (let i = 0; i < job.warmup; i++) {
    await send();
}

const seconds = [];
const cpu = process.cpuUsage();
const begin = performance.now();
for (let i = 0; i < job.messages; i++) {
    const before = performance.now();
    await send();
    seconds.push((performance.now() - before) / 1000);
}
const wall = performance.now() - begin;
const used = process.cpuUsage(cpu);

process.stdout.write(
    JSON.stringify({
        seconds,
        cpu_seconds: (used.user + used.system) / 1e6,
        wall_seconds: wall / 1000,
        peak_rss_kib: peakRssKib()
    }) + '\n'
);
transporter.close();
