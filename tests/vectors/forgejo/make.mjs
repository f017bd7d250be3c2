// How Forgejo signs: the source of Gitea, from which it comes, and writers of receivers, who agree.
import { gitea } from '../gitea.mjs';

gitea(import.meta.url, 'Forgejo', 'Node\'s crypto after services/webhook/deliver.go of Gitea, from which Forgejo comes');
