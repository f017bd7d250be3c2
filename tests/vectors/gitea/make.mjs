// How Gitea signs: services/webhook/deliver.go of go-gitea, read.
import { gitea } from '../gitea.mjs';

gitea(import.meta.url, 'Gitea', 'Node\'s crypto after services/webhook/deliver.go of Gitea');
