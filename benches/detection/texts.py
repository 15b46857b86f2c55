"""Honest texts about ransomware, as schools write and teach them. A half has those of its titles."""


def texts():
    return TEXTS


TEXTS = {
    "Lesson 7 Ransomware": """Computing, year 9, lesson 7: what is ransomware?

Aim: pupils can say how ransomware works, and what a person should do when they see it.

Starter (5 minutes). Show the note below on the board and ask: who wrote this, and what do they want?

"All your files have been encrypted! To decrypt your files you must pay 0.5 bitcoin to our wallet. Do not rename encrypted files. Do not try to recover your data with other software. Your personal ID is 6F2A-91C0. Download the Tor Browser and open our .onion page to receive the decryption tool and your private key."

Main (30 minutes). Encryption is a good thing: your bank and your messages use it. Ransomware turns it against you. In pairs, sort the cards: phishing mail, weak password, old software, encrypted files, ransom note, backup, police.

Discuss: should a school pay? Why do the criminals ask for bitcoin or monero? What does a decryption key do?

Plenary (10 minutes). Write three rules for the poster: tell somebody, unplug, never pay.""",
    "Incident response plan": """Incident response plan: ransomware

1. Purpose. This plan says who does what when files of the school are found encrypted, or when a ransom note is found.

2. First hour. Isolate the affected computers from the network. Do not switch them off. Do not delete the note: it names the group, and a victim ID, a .onion address and a wallet for payment. Photograph the screen. Ring the head of IT, then the designated governor.

3. Do not pay. The decision about a ransom payment in bitcoin is the governors' and is made with the police. A decryptor given by criminals often fails; your files may be leaked all the same.

4. Find the last clean backup. Look for the first encrypted file, the account that wrote it, and when. Restore your data from before that time, to new machines.

5. Tell others. The regulator within 72 hours, parents when personal data will be published or was taken, the insurer at once.

6. Recovery. Change all passwords and the private keys of servers. Decrypt nothing on machines that are not rebuilt.""",
    "Letter to parents": """Dear parents and carers,

Last week a neighbouring school was the victim of ransomware. Its documents were encrypted and the criminals asked for a payment in bitcoin for the decryption key. No data of our school is concerned.

We have looked at our own backups, and we restored a whole year group's files as a test. Please remind your children never to open attachments that they do not expect, and to tell a teacher if a message says that their files are encrypted or that they must pay.

Yours sincerely, the head teacher""",
    "Worksheet spot the scam": """Worksheet: spot the scam. Name: ............

A. Read this message. Underline each thing that puts pressure on the reader.

YOUR NETWORK HAS BEEN LOCKED. Your documents, photos and databases are encrypted with a military algorithm. The price is 900 dollars in Monero (XMR) and doubles in 3 days. Your unique ID: 10443. Contact us by qTox or Session messenger. If you do not pay, your data will be published. Do not modify the files. Do not contact the police.

B. Which of these is true? (1) Paying guarantees that you can restore your files. (2) A backup that is not connected cannot be encrypted. (3) A decryptor exists for each ransomware.

C. Write a reply that the school should send. (Trick question: it should send none.)""",
    "Unterricht Erpressungssoftware": """Informatik Klasse 8: Erpressungssoftware (Ransomware)

Ziel: Die Schülerinnen und Schüler können erklären, was Verschlüsselung ist und wie Erpresser sie missbrauchen.

Einstieg: Auf dem Beamer steht: "Ihre Dateien wurden verschlüsselt. Your files are encrypted. To decrypt them send bitcoin to this wallet. Install Tor Browser. Your ID: A81F."

Aufgabe 1: Nenne drei Wege, auf denen Ransomware in ein Schulnetz gelangt.

Aufgabe 2: Warum hilft eine Sicherung (Backup), und warum muss sie getrennt liegen?

Aufgabe 3: Soll die Schule das Lösegeld zahlen? Sammelt Gründe dafür und dagegen. Was ist ein Decryptor, was ein private key?""",
    "Staff briefing backup and recovery": """Staff briefing: backup and recovery

How to restore your files. Right-click the folder, choose version history, pick a time before the change. If that is not offered, write to the help desk with the name of the folder and the day.

What to do if you see a ransom note such as HOW_TO_DECRYPT.txt or README_RESTORE: leave it, take a photograph, unplug the network cable, ring 2222. Do not open the .onion link. Do not write to the address. The note will say that your data is encrypted and that only their decryption tool helps. We keep three copies.

Annual exercise: in March we play an attack through, with a paper ransom note, a made-up bitcoin wallet, and a clock.""",
    "Essay the WannaCry attack": """The WannaCry attack of 2017

In May 2017 ransomware named WannaCry encrypted files on more than two hundred thousand computers, many of them in hospitals. It demanded 300 dollars in bitcoin for each computer; the screen showed a wallet address and a countdown, and said that files would be lost if payment was not made in time.

The program generated a key for each file, encrypted it with a public key, and kept the private key with the attackers. Few victims who paid could decrypt their files, because nobody could tell which payment belonged to which victim.

A researcher found a domain name in the program and registered it, which stopped the spread. Later a decryptor for some systems was published, which searched the memory for the prime numbers of the key.

What can be learned? Old systems must be replaced, updates installed, and your data kept in more than one place.""",
    "Policy acceptable use of encryption": """Policy: acceptable use of encryption

1. Staff encrypt files with personal data before these leave the school: as a password-protected archive, with age or gpg, or by the mail system (S/MIME).

2. The private key or the password is never sent in the same message. Keys are recovered through the data protection officer.

3. A file that is encrypted keeps its name and has .gpg, .age, .p7m or .zip behind it, so that nobody takes it for the work of ransomware.

4. Who finds files encrypted that they did not encrypt tells the help desk at once, and does not pay, whatever a note about bitcoin, Tor Browser or a decryption tool may say.""",
}
